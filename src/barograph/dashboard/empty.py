"""What is shown where there is nothing to show: what happened, and what to run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

if TYPE_CHECKING:
    from barograph.dashboard.troubles import Unavailable
    from barograph.settings import Settings


def nothing(title: str, text: str, *commands: str) -> None:
    """There is nothing yet, which is no fault.

    Args:
        title: a few words, such as "No trades yet".
        text: why, and what would make some.
        commands: to run in a shell.
    """
    with st.container(border=True):
        st.markdown(f"##### {title}")
        st.markdown(text)
        for command in commands:
            st.code(command, language="bash", wrap_lines=True)


def unavailable(what: Unavailable, settings: Settings) -> None:
    """Something cannot be read: the reason, the remedy, and that this page tries again by itself."""
    if what.is_new:
        nothing("Nothing has been recorded here yet", what.reason, what.remedy, *_also(settings))
        return
    with st.container(border=True):
        st.markdown("##### :material/cloud_off: This cannot be shown right now")
        st.markdown(what.reason)
        if what.remedy:
            st.markdown("What helps:" if what.remedy.startswith("barograph") else "Look at:")
            st.code(what.remedy, language="bash", wrap_lines=True)
        st.caption(
            "Recording is not affected. Reload the page when it is mended; live parts try by themselves."
        )


def failed() -> None:
    """A page met something that nobody thought of; the log has all of it."""
    with st.container(border=True):
        st.markdown("##### :material/healing: This page could not be drawn")
        st.markdown(
            "That is a fault of the dashboard, not of your data. What happened stands in the log of "
            "`barograph dashboard`; the other pages go on."
        )
        st.code("barograph doctor", language="bash")


def _also(settings: Settings) -> tuple[str, ...]:
    return (f"barograph record --feed sim --data {settings.data_dir}",)
