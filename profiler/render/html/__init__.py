"""A result as one page that needs nothing else: its blocks as HTML, and figures that the browser draws."""
