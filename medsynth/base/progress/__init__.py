"""What a person sees while a run works, and how long it still takes."""

from medsynth.base.progress.showing import Lines, Silent, Task, Terminal, Watch, short, watch
from medsynth.base.progress.time_left import TimeLeft, clock, duration

__all__ = ["Lines", "Silent", "Task", "Terminal", "TimeLeft", "Watch", "clock", "duration", "short", "watch"]
