"""What a bundle says of itself: a model card for people, a bill of materials for inventories."""
