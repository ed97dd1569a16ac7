"""Events that the package tells of, and who listens.

Listeners are the functions in `subscribers`, which is zope.event's list where
that is installed, and then the entry points of the event's group.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any

from grove.names.plugins import plugins

try:
    from zope.event import notify, subscribers  # type: ignore[import]
except ImportError:
    #: Functions called with each event.
    subscribers: list[Callable[[Any], None]] = []  # type: ignore[no-redef]

    def notify(event: Any) -> None:
        """Call every subscriber with event."""
        for subscriber in subscribers:
            subscriber(event)


__all__ = [
    "DoNotPatch",
    "EventLoopBlocked",
    "GeventDidPatchAllEvent",
    "GeventDidPatchBuiltinModulesEvent",
    "GeventDidPatchModuleEvent",
    "GeventPatchEvent",
    "GeventWillPatchAllEvent",
    "GeventWillPatchEvent",
    "GeventWillPatchModuleEvent",
    "MemoryUsageThresholdExceeded",
    "MemoryUsageUnderThreshold",
    "PeriodicMonitorThreadStartedEvent",
    "notify",
    "notify_and_call_entry_points",
    "subscribers",
]


def notify_and_call_entry_points(event: Any) -> None:
    """Tell the subscribers of event, then its group's entry points.

    >>> from grove import events
    >>> events.subscribers.append(print)
    >>> event = events.GeventWillPatchAllEvent({}, {})
    >>> events.notify_and_call_entry_points(event)
    <...GeventWillPatchAllEvent...>
    >>> events.subscribers.remove(print)
    """
    notify(event)
    for listener in plugins(event.ENTRY_POINT_NAME):
        listener(event)


def implementer(*interfaces: Any) -> Callable[[type], type]:
    """zope.interface's, where that is installed; else it changes nothing."""
    return lambda cls: cls


try:
    from zope.interface import Attribute, Interface, implementer  # type: ignore[import, no-redef]  # noqa: F811
except ImportError:

    class Interface:  # type: ignore[no-redef]
        """Stands for zope.interface's."""

    def Attribute(name: str) -> Any:  # type: ignore[no-redef]
        """Stands for zope.interface's."""
        return name


class IPeriodicMonitorThread(Interface):
    """What watches a hub, as those see it that add to what it does."""

    def add_monitoring_function(function: Any, period: Any) -> None:  # noqa: N805
        """Have function(hub) called every period seconds."""


class IPeriodicMonitorThreadStartedEvent(Interface):
    """A thread that watches a hub has started."""

    monitor = Attribute("The IPeriodicMonitorThread.")


@implementer(IPeriodicMonitorThreadStartedEvent)
class PeriodicMonitorThreadStartedEvent:
    """A thread that watches a hub has started: functions may be added to it.

    >>> import grove
    >>> from grove.events import PeriodicMonitorThreadStartedEvent
    >>> PeriodicMonitorThreadStartedEvent("the thread").monitor
    'the thread'
    """

    ENTRY_POINT_NAME = "gevent.plugins.hub.periodic_monitor_thread_started"

    def __init__(self, monitor: Any) -> None:
        self.monitor = monitor

    def __repr__(self) -> str:
        return f"<{type(self).__name__} monitor={self.monitor}>"


class IEventLoopBlocked(Interface):
    """A greenlet has not let others run for too long."""

    greenlet = Attribute("The greenlet.")
    blocking_time = Attribute("Seconds that it was allowed.")
    info = Attribute("Lines that tell what it does.")
    hub = Attribute("The hub that is blocked.")


@implementer(IEventLoopBlocked)
class EventLoopBlocked:
    """A greenlet has not let others run for too long.

    Told of on the thread that watches the hub, not on the hub's own.

    >>> import grove
    >>> from grove.events import EventLoopBlocked
    >>> event = EventLoopBlocked(grove.getcurrent(), 1.5, ["a stack"])
    >>> event.blocking_time, event.info
    (1.5, ['a stack'])
    """

    def __init__(
        self, greenlet: Any, blocking_time: float, info: list[str], hub: Any = None
    ) -> None:
        self.greenlet = greenlet
        self.blocking_time = blocking_time
        self.info = info
        self.hub = hub


class IMemoryUsageThresholdExceeded(Interface):
    """The process uses more memory than it should."""

    mem_usage = Attribute("Bytes that it uses.")
    max_allowed = Attribute("Bytes that it may use.")
    memory_info = Attribute("More about it, as a dict.")


class _MemoryEvent:
    def __init__(
        self, mem_usage: int, max_allowed: int, memory_info: dict[str, int]
    ) -> None:
        self.mem_usage = mem_usage
        self.max_allowed = max_allowed
        self.memory_info = memory_info

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} used={self.mem_usage} "
            f"max={self.max_allowed} details={self.memory_info!r}>"
        )


@implementer(IMemoryUsageThresholdExceeded)
class MemoryUsageThresholdExceeded(_MemoryEvent):
    """The process uses more memory than config.max_memory_usage.

    >>> from grove.events import MemoryUsageThresholdExceeded
    >>> event = MemoryUsageThresholdExceeded(200, 100, {"rss": 200})
    >>> event.mem_usage > event.max_allowed
    True
    """


class IMemoryUsageUnderThreshold(Interface):
    """The process uses less memory than it may, after it has used more."""

    mem_usage = Attribute("Bytes that it uses.")
    max_allowed = Attribute("Bytes that it may use.")
    memory_info = Attribute("More about it, as a dict.")
    max_memory_usage = Attribute("Bytes that it used at most.")


@implementer(IMemoryUsageUnderThreshold)
class MemoryUsageUnderThreshold(_MemoryEvent):
    """It uses less again; max_memory_usage is the most that it used.

    >>> from grove.events import MemoryUsageUnderThreshold
    >>> event = MemoryUsageUnderThreshold(90, 100, {"rss": 90}, max_usage=200)
    >>> event.max_memory_usage
    200
    """

    def __init__(
        self,
        mem_usage: int,
        max_allowed: int,
        memory_info: dict[str, int],
        max_usage: int,
    ) -> None:
        super().__init__(mem_usage, max_allowed, memory_info)
        self.max_memory_usage = max_usage


class IGeventPatchEvent(Interface):
    """Something is or was patched."""

    source = Attribute("What has the replacements.")
    target = Attribute("What is patched.")


class IGeventWillPatchEvent(IGeventPatchEvent):
    """Something is about to be patched."""


class IGeventDidPatchEvent(IGeventPatchEvent):
    """Something was patched."""


class IGeventWillPatchModuleEvent(IGeventWillPatchEvent):
    """A module is about to be patched."""

    module_name = Attribute("Its name.")
    target_item_names = Attribute("The names that will be replaced.")


class IGeventDidPatchModuleEvent(IGeventDidPatchEvent):
    """A module was patched."""

    module_name = Attribute("Its name.")


class IGeventWillPatchAllEvent(IGeventWillPatchEvent):
    """patch_all is about to begin."""

    patch_all_arguments = Attribute("What it was told.")
    patch_all_kwargs = Attribute("What it was told for others.")


class IGeventDidPatchBuiltinModulesEvent(IGeventDidPatchEvent):
    """patch_all has patched the standard modules."""

    patch_all_arguments = Attribute("What it was told.")
    patch_all_kwargs = Attribute("What it was told for others.")


class IGeventDidPatchAllEvent(IGeventDidPatchEvent):
    """patch_all is done."""


class DoNotPatch(BaseException):
    """Raised by a listener of a GeventWillPatchEvent to prevent it.

    >>> import select
    >>> import grove.select
    >>> from grove import events, monkey
    >>> def refuse(event):
    ...     raise events.DoNotPatch
    >>> events.subscribers.append(refuse)
    >>> monkey.patch_module(select, grove.select, items=["poll"])
    False
    >>> events.subscribers.remove(refuse)
    """


@implementer(IGeventPatchEvent)
class GeventPatchEvent:
    """Something is patched: `source` has what replaces `target`'s names.

    >>> import select
    >>> import grove.select
    >>> from grove.events import GeventPatchEvent
    >>> event = GeventPatchEvent(grove.select, select)
    >>> event.source is grove.select, event.target is select
    (True, True)
    """

    ENTRY_POINT_NAME = ""

    def __init__(self, source: Any, target: Any) -> None:
        self.source = source
        self.target = target

    def __repr__(self) -> str:
        return f"<{type(self).__name__} source={self.source} target={self.target}>"


@implementer(IGeventWillPatchEvent)
class GeventWillPatchEvent(GeventPatchEvent):
    """Before it is patched.

    >>> from grove import events
    >>> issubclass(events.GeventWillPatchModuleEvent, events.GeventWillPatchEvent)
    True
    """


@implementer(IGeventDidPatchEvent)
class GeventDidPatchEvent(GeventPatchEvent):
    """After it was patched."""


@implementer(IGeventWillPatchModuleEvent)
class GeventWillPatchModuleEvent(GeventWillPatchEvent):
    """Before the names `target_item_names` of a module are replaced.

    >>> import select
    >>> import grove.select
    >>> from grove.events import GeventWillPatchModuleEvent
    >>> event = GeventWillPatchModuleEvent("select", grove.select, select, ["poll"])
    >>> event.target_item_names
    ['poll']
    """

    ENTRY_POINT_NAME = "gevent.plugins.monkey.will_patch_module"

    def __init__(
        self, module_name: str, source: Any, target: ModuleType, items: list[str]
    ) -> None:
        super().__init__(source, target)
        self.module_name = module_name
        self.target_item_names = items


@implementer(IGeventDidPatchModuleEvent)
class GeventDidPatchModuleEvent(GeventDidPatchEvent):
    """After a module was patched.

    >>> import select
    >>> import grove.select
    >>> from grove.events import GeventDidPatchModuleEvent
    >>> GeventDidPatchModuleEvent("select", grove.select, select).module_name
    'select'
    """

    ENTRY_POINT_NAME = "gevent.plugins.monkey.did_patch_module"

    def __init__(self, module_name: str, source: Any, target: ModuleType) -> None:
        super().__init__(source, target)
        self.module_name = module_name


class _PatchAll:
    """What the events of patch_all have in common."""

    def __init__(
        self, patch_all_arguments: dict[str, Any], patch_all_kwargs: dict[str, Any]
    ) -> None:
        # It is about no module, and about more than one that has replacements.
        super().__init__(None, None)  # type: ignore[call-arg]
        #: What patch_all was told of its own parameters.
        self.patch_all_arguments = patch_all_arguments
        #: The keyword arguments that it does not know, for listeners.
        self.patch_all_kwargs = patch_all_kwargs

    def will_patch_module(self, module_name: str) -> bool:
        """Whether patch_all was asked to patch that module.

        >>> from grove.events import GeventWillPatchAllEvent
        >>> event = GeventWillPatchAllEvent({"socket": True}, {})
        >>> event.will_patch_module("socket"), event.will_patch_module("ssl")
        (True, False)
        """
        return bool(self.patch_all_arguments.get(module_name))


@implementer(IGeventWillPatchAllEvent)
class GeventWillPatchAllEvent(_PatchAll, GeventWillPatchEvent):
    """Before patch_all patches anything.

    >>> from grove.events import GeventWillPatchAllEvent
    >>> event = GeventWillPatchAllEvent({"socket": True, "ssl": False}, {})
    >>> event.will_patch_module("ssl")
    False
    """

    ENTRY_POINT_NAME = "gevent.plugins.monkey.will_patch_all"


@implementer(IGeventDidPatchBuiltinModulesEvent)
class GeventDidPatchBuiltinModulesEvent(_PatchAll, GeventDidPatchEvent):
    """After patch_all patched the standard modules.

    >>> from grove.events import GeventDidPatchBuiltinModulesEvent
    >>> event = GeventDidPatchBuiltinModulesEvent({"socket": True}, {})
    >>> event.patch_all_arguments
    {'socket': True}
    """

    ENTRY_POINT_NAME = "gevent.plugins.monkey.did_patch_builtins"


@implementer(IGeventDidPatchAllEvent)
class GeventDidPatchAllEvent(_PatchAll, GeventDidPatchEvent):
    """After patch_all is done, its listeners' patches included.

    >>> from grove.events import GeventDidPatchAllEvent
    >>> event = GeventDidPatchAllEvent({"socket": True}, {})
    >>> event.will_patch_module("socket")
    True
    """

    ENTRY_POINT_NAME = "gevent.plugins.monkey.did_patch_all"
