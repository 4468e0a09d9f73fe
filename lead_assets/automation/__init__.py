"""What runs by itself: the jobs, the sensors that start campaigns when they are due, and the weekly sweep."""
