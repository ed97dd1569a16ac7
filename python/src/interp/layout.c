/*
 * The table of what one who looks from outside must know of this interpreter.
 * Nothing here runs.
 */
#include "interp/layout.h"

#include "fiber/layout_note.h"
#include "interp/internal_frames.h"

/* The bits of a str's state have no offsets: here are states in which those in
 * question are set, as the compiler lays them out. */
union text_state {
    unsigned char bytes[8];
    __typeof__(((PyASCIIObject *)0)->state) state;
};

_Static_assert(sizeof(union text_state) == 8, "what is told of them");

static const union text_state kind_bits = {.state = {.kind = 7}},
                              compact_bits = {.state = {.compact = 1}},
                              ascii_bits = {.state = {.ascii = 1}};

extern const struct interp_layout interp_layout
    __attribute__((visibility("hidden")));

const struct interp_layout interp_layout = {
    .head = LAYOUT_HEAD(INTERP_LAYOUT_VERSION, struct interp_layout),
    .hex = PY_VERSION_HEX,
    .type = offsetof(PyObject, ob_type),
    .tp_name = offsetof(PyTypeObject, tp_name),
    .tp_base = offsetof(PyTypeObject, tp_base),
    .tp_flags = offsetof(PyTypeObject, tp_flags),
    .flag_type = Py_TPFLAGS_TYPE_SUBCLASS,
    .flag_text = Py_TPFLAGS_UNICODE_SUBCLASS,
    .function_type = &PyFunction_Type,
    .method_type = &PyMethod_Type,
    .cfunction_type = &PyCFunction_Type,
    .code_type = &PyCode_Type,
    .function_name = offsetof(PyFunctionObject, func_qualname),
    .method_function = offsetof(PyMethodObject, im_func),
    .cfunction_definition = offsetof(PyCFunctionObject, m_ml),
    .definition_name = offsetof(PyMethodDef, ml_name),
    .text_length = offsetof(PyASCIIObject, length),
    .text_state = offsetof(PyASCIIObject, state),
    .text_ascii = sizeof(PyASCIIObject),
    .text_compact = sizeof(PyCompactUnicodeObject),
    .kind_bits = &kind_bits,
    .compact_bits = &compact_bits,
    .ascii_bits = &ascii_bits,
    .bytes_size = offsetof(PyVarObject, ob_size),
    .bytes_begin = offsetof(PyBytesObject, ob_sval),
    .code_name = offsetof(PyCodeObject, co_qualname),
    .code_file = offsetof(PyCodeObject, co_filename),
    .code_first_line = offsetof(PyCodeObject, co_firstlineno),
    .code_lines = offsetof(PyCodeObject, co_linetable),
    .code_begin = offsetof(PyCodeObject, co_code_adaptive),
    .frame_size = offsetof(_PyInterpreterFrame, localsplus),
    .frame_previous = offsetof(_PyInterpreterFrame, previous),
    .frame_owner = offsetof(_PyInterpreterFrame, owner),
#if PY_VERSION_HEX >= 0x030D0000
    .frame_code = offsetof(_PyInterpreterFrame, f_executable),
    .frame_instruction = offsetof(_PyInterpreterFrame, instr_ptr),
#else
    .frame_code = offsetof(_PyInterpreterFrame, f_code),
    .frame_instruction = offsetof(_PyInterpreterFrame, prev_instr),
#endif
#if PY_VERSION_HEX >= 0x030E0000
    .owner_no_code = FRAME_OWNED_BY_INTERPRETER,
    .code_tag = Py_TAG_BITS,
#elif PY_VERSION_HEX >= 0x030C0000
    .owner_no_code = FRAME_OWNED_BY_CSTACK,
#else
    .owner_no_code = FRAME_OWNED_BY_FRAME_OBJECT + 1,
#endif
#if STATE_HAS_CFRAME
    .thread_frame = offsetof(PyThreadState, cframe),
    .saved_frame = offsetof(struct py_state, cframe),
    .by_cframe = 1,
    .cframe_frame = offsetof(_PyCFrame, current_frame),
#else
    .thread_frame = offsetof(PyThreadState, current_frame),
    .saved_frame = offsetof(struct py_state, current_frame),
#endif
};

LAYOUT_NOTE(LAYOUT_NOTE_INTERP, interp_layout);
