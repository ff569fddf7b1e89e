"""Update forecasts by first weeks of sales and by hand."""
