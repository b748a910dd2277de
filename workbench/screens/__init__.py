"""What each analytics screen says and shows: sentences, tables and charts, without Streamlit's order of things."""
