"""The screens of analytics: for each its sentences and tables, and beside them its charts."""
