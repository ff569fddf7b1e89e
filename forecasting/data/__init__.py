"""Hold what was sold and planned: sales, launches, plans, the panel, launch histories."""
