"""What the products' assets report."""

from aws_orders_tests.conftest import PRODUCTS_CSV, Platform


def test_a_column_that_appears_in_the_products_feed_is_reported(platform: Platform) -> None:
    platform.refresh("refresh_products")
    platform.feed(
        "products",
        PRODUCTS_CSV.replace("brand\n", "brand,colour\n")
        .replace("Hale\n", "Hale,red\n")
        .replace("Ostrava\n", "Ostrava,\n")
        .replace("Home,\n", "Home,,\n"),
    )
    found = platform.checks("refresh_products")["columns_are_unchanged"]
    assert "Added: colour" in str(found.description)
