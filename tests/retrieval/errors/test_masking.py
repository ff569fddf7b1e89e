"""No message, log line, manifest or report holds what is secret, in whatever form it was given."""

import itertools
import json
import time

import pytest

from retrieval import InputError, masked, masked_values

PASSWORDS = [
    *("hush", "hu sh", "hu\tsh", "hu\nsh", "hu'sh", 'hu"sh', "hu/sh", "hu@sh", "hu:sh", "hu?sh"),
    *("hu#sh", "hu%40sh", "hu%20sh", "hu sh@hush", "hu&sh", "hu;sh", "hu,sh", "hu)sh", "hu\\sh"),
    *("ü hush ß", "12:hush"),
]
ADDRESSES = ["host:19530", "host.example", "[::1]:6379/0"]
SCHEMES = ["http", "postgresql+psycopg"]
TEXTS = ["{}", "'{}' does not answer", "cannot reach {} now", "x\n{}\ny", "({}) and http://other:1"]


@pytest.mark.parametrize("password", PASSWORDS)
def test_no_text_holds_the_password_of_an_address(password: str) -> None:
    for scheme, place, text in itertools.product(SCHEMES, ADDRESSES, TEXTS):
        for user in ("root", "", "a%20b", "me@corp"):
            told = masked(text.format(f"{scheme}://{user}:{password}@{place}"))
            assert "hu" not in told, told
            assert "sh" not in told, told
            assert place in told


@pytest.mark.parametrize("password", [*PASSWORDS, "1234 hush", "1234/hush", "h@u sh"])
def test_no_quoted_address_holds_its_password(password: str) -> None:
    told = str(InputError(f"index.uri {f'http://root:{password}@host:19530'!r} does not answer"))
    assert "hu" not in told
    assert "'http://***@host:19530' does not answer" in told.replace('"', "'")


@pytest.mark.parametrize("password", [*PASSWORDS, "1234 hush", "1234/hush", "h@u sh"])
def test_no_json_holds_a_password(password: str) -> None:
    uri = f"http://root:{password}@host:19530"
    for value in ({"uri": uri, "rows": 3}, {"password": password}, {"event": f"no {uri}"}):
        line = json.dumps(value)
        for each in (line, json.dumps({"inner": line}), line.replace("/", "\\/"), repr(value)):
            assert "hu" not in masked(each), masked(each)


@pytest.mark.parametrize(
    "text",
    [
        "https://hush@host/db",
        "http://root:hu://sh@host",
        "http://my hush@host:19530",
        "root:hush@host:19530 is no address",
        "'root:hu sh@host' is no address",
        "https://host/login?next=http%3A%2F%2Froot%3Ahush%40host%2F",
        "postgresql://host:1/db?user=u&password=hush",
        "postgresql://host:1/db?password=hu sh&user=u",
        "postgresql://host:1/db?user=u&password=hu sh",
        "host=host password='hu sh' user=u",
        'host=host password="hu \\" sh"',
        "host=host password = hush",
        "host=h dbname=shop sslpassword=hu,sh user=u at host",
        "https://host/v1?api_key=hush",
        "https://host/v1?api-key=hush#x",
        "https://host/v1?access_token=hush&x=1",
        "https://host/c?sv=2024&sig=hush%2Bhush%3D",
        "s3://host/x?aws_secret_access_key=hush",
        "https://host/?X-Amz-Credential=hush%2F2024&X-Amz-Signature=hush",
        "mssql+pyodbc:///?odbc_connect=SERVER%3Dhost%3BUID%3Du%3BPWD%3Dhush",
        "Server=host;PWD={hu;sh};Database=x",
        "Server=host;Password=hu sh;Database=x",
        "AccountName=host;AccountKey=hush==;",
        "host said: Authorization: Bearer hush.hush-hush",
        "host: {'Authorization': 'Basic hushhush=='}",
        "host BEARER hushhush",
        "{'host': 1, 'api_key': 'hu sh', 'x': 2}",
        "passphrase: 'hu sh' of host",
    ],
)
def test_no_message_holds_what_is_secret(text: str) -> None:
    told = masked(text)
    assert "hu" not in told.replace("shop", ""), told
    assert "host" in told


@pytest.mark.parametrize(
    "text",
    [
        "http://host:19530/shop@2",
        "http://host:19530 does not answer, ask me@host.com, please",
        "'http://host:19530' does not answer; 'a@b' is no host",
        "mail me@host.com about http://host:19530",
        "index.tokens names http://host:19530",
        "index.token: Milvus wants one; a token is user:password",
        "items.db: column 'password' is missing",
        "a bearer of good news, by design=3",
        "write scheme://host:port; user and password are the token",
        "postgres/12:30@x, 12:30 and a@b",
        '{"event": "request", "route": "/v1/items", "key": "a", "model_version": "m@1", "s": 0.1}',
        "C:/folder/a@b.csv: no such file",
    ],
)
def test_what_is_not_secret_is_told(text: str) -> None:
    assert masked(text) == text


def test_all_texts_of_a_value_are_masked() -> None:
    value = {"index": {"uri": "http://a:b@host", "kinds": ["x", ("http://c:d@host", 1)]}, "n": None}
    assert masked_values(value) == {
        "index": {"uri": "http://***@host", "kinds": ["x", ["http://***@host", 1]]},
        "n": None,
    }


@pytest.mark.parametrize("part", ["://", "'a:", "://a:b c", "x@", "password=", '"token": "', "?a"])
def test_a_long_text_takes_no_longer(part: str) -> None:
    start = time.process_time()
    masked(part * (200_000 // len(part)) + "@='")
    assert time.process_time() - start < 5
