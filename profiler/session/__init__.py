"""The stages composed: the only place that knows them all."""

from __future__ import annotations

from profiler.session.capture import Capture, capture
from profiler.session.profile import profile, profile_model
from profiler.session.request import ProfileRequest

__all__ = ["Capture", "ProfileRequest", "capture", "profile", "profile_model"]
