"""Which parts of an alert are masked."""

import pytest

from aws_orders.alerts.redaction import mask, secrets_in


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("orders.csv, line 3: ada.dahl+x@example.org", "orders.csv, line 3: …@…"),
        ("'o'brien@example.org'", "…@…"),
        ("customer_email=ada@example.org;", "customer_email=…@…;"),
        ("https://me:hunter22@host/a.csv", "https://…@…/a.csv"),
        ("postgres://me:p@ss=w@host:5439/dev", "postgres://…@…/dev"),
        ("GET /a.csv?X-Amz-Signature=abc123&x=1", "GET /a.csv?X-Amz-Signature=…&x=1"),
        ("key AKIAIOSFODNN7EXAMPLE is unknown", "key … is unknown"),
        (
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY1 no",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY1 no",
        ),
        ("wJalrXUtnFEMI/K7MDENG9bPxRfiCYEXAMPLEKEY no", "… no"),
        ('{"password": "hunter22"}', '{"password": "…"}'),
        ("PGPASSWORD=hunter22 psql", "PGPASSWORD=… psql"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer …"),
        ("it said planted-secret twice: planted-secret", "it said … twice: …"),
        ("password authentication failed for user", "password authentication failed for user"),
        ("s3://shop/input/orders/2026/03/01.csv: no column total", None),
    ],
)
def test_addresses_keys_and_passwords_are_masked_and_other_text_is_not(
    text: str, masked: str | None
) -> None:
    assert mask(text, ["planted-secret"]) == (masked or text)


def test_the_names_of_variables_mark_secrets_and_short_values_are_not_secret() -> None:
    environment = {"REDSHIFT_PASSWORD": "planted-secret", "AWS_SECRET_ACCESS_KEY": "local"}
    assert secrets_in(environment | {"REDSHIFT_HOST": "warehouse.example"}) == ["planted-secret"]
