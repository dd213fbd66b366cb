"""Run by Streamlit for each viewer, and again with each change: draws the page that was chosen."""

from __future__ import annotations

import base64

import streamlit as st

from barograph.dashboard.house import entered, navigation

_ICON = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7"
 fill="#0b3954"/><path d="M4 21l5-6 5 4 6-10 8 8" fill="none" stroke="#7fd1ae" stroke-width="3"
 stroke-linejoin="round" stroke-linecap="round"/></svg>"""
"""Ours, so that no browser asks anybody else for one."""

_STYLE = """<style>
    .stMainBlockContainer { padding-top: 3.2rem; padding-bottom: 2rem; }
    [data-testid="stMetricValue"] { font-size: 1.4rem; font-variant-numeric: tabular-nums; }
    @media (max-width: 640px) {
        .stMainBlockContainer { padding-left: 0.8rem; padding-right: 0.8rem; }
        [data-testid="stElementToolbar"] { display: none; }  /* it would lie upon what is above it */
    }
</style>"""


def draw() -> None:
    """The page that the viewer has chosen."""
    icon = "data:image/svg+xml;base64," + base64.b64encode(_ICON.encode()).decode()
    st.set_page_config(page_title="Barograph", page_icon=icon, layout="wide")
    page = navigation(entered())
    st.html(_STYLE)
    page.run()


if __name__ == "__main__":
    draw()
