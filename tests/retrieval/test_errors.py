import pytest

from retrieval import InputError, first_few, masked


def test_the_first_few_are_said_and_the_others_counted() -> None:
    assert first_few([1, 2, 3, 4, 5]) == ["1", "2", "3", "4", "5"]
    assert first_few(["a", "b", "c"], repr, most=1) == ["'a'", "... and 2 more"]


@pytest.mark.parametrize(
    "address",
    [
        "http://root:hush@host:19530",
        "https://hush@host/db",
        "postgresql+psycopg://me:hush@host:5432/shop?sslmode=require",
        "postgresql://host:1/db?user=u&password=hush",
        "mysql://me:hu/sh:hush@host/db",
        "http://root:a@hush@host",
        "host=h dbname=shop sslpassword=hush user=u",
        "https://host/v1?api_key=hush",
        "https://host/v1?access_token=hush&x=1",
        "https://host/container?sv=2024&sig=hush%2Bhush%3D",
        "mssql+pyodbc:///?odbc_connect=SERVER%3Dhost%3BUID%3Du%3BPWD%3Dhush",
        "host said: Authorization: Bearer hush.hush-hush",
        "AccountName=host;AccountKey=hush==;",
    ],
)
def test_no_message_holds_what_is_secret_in_an_address(address: str) -> None:
    message = str(InputError(f"'{address}' does not answer"))
    assert "hush" not in message
    assert "host" in message
    assert message.endswith("' does not answer")


@pytest.mark.parametrize(
    "text",
    [
        "http://host:19530/shop@2",
        "mail me@host.com about http://host:19530",
        "index.tokens names http://host:19530",
        "items.db: column 'password' is missing",
        "a bearer of good news, by design=3",
        "write scheme://host:port; user and password are the token",
    ],
)
def test_what_is_not_secret_is_told(text: str) -> None:
    assert masked(text) == text
