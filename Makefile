# A thin front for Meson and the scripts in tools/.
#
#   make            build everything into build/
#   make demo       build, then show what it is for
#   make check      build, then run every test
#   make bench      build, then run the benchmarks
#   make install    build, then install below PREFIX (DESTDIR is honoured)
#   make clean      remove build/ and the test builds
#
# PYTHON is the interpreter that the Python package is built for.

PYTHON ?= /usr/bin/python3
PREFIX ?= /usr/local
BUILD := build
.SHELLFLAGS := -ec

.PHONY: all setup configure demo check bench install clean

all: configure
	@echo "make: building into $(BUILD)/: library, command, manual pages," \
	    "Python package, examples, tests"
	@ninja -C $(BUILD)
	@echo "make: done; next: make demo, make check, make install PREFIX=..."

setup:
	@tools/setup

# Only when $(BUILD)/ is new or PYTHON has changed; ninja sees to the rest.
configure: setup
	@if [ ! -f $(BUILD)/build.ninja ]; then \
	    echo "make: configuring $(BUILD)/ for $(PYTHON)"; \
	    meson setup $(BUILD) -Dpython=$(PYTHON); \
	    echo "$(PYTHON)" >$(BUILD)/.python; \
	elif [ "$$(cat $(BUILD)/.python 2>/dev/null)" != "$(PYTHON)" ]; then \
	    echo "make: configuring $(BUILD)/ anew for $(PYTHON)"; \
	    meson setup --wipe $(BUILD) -Dpython=$(PYTHON); \
	    echo "$(PYTHON)" >$(BUILD)/.python; \
	fi

demo: all
	@tools/demo $(BUILD)

# The test run configures and builds all it needs, build/ included.
check: configure
	@tools/check

bench: all
	@tools/bench $(BUILD)

install: all
	@meson configure $(BUILD) -Dprefix=$(abspath $(PREFIX))
	@meson install -C $(BUILD)

clean:
	rm -rf $(BUILD) build-*
