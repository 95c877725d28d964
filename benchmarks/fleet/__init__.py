"""A folder of rows scored on Ray, with a worker and the driver killed on the way."""
