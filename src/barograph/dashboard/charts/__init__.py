"""Charts: functions from frames to Plotly figures, without Streamlit."""
