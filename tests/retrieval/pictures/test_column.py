import base64
import io
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pandas as pd
import pytest

from retrieval import InputError, TableError, read_pictures
from retrieval.pictures.content import cut, pictures_of, shown, text_of

Image = pytest.importorskip("PIL.Image")


def encoded(picture, kind="JPEG", **options):
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def pixels(word):
    (jpeg,) = pictures_of(word)
    return np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB"), dtype=int)


def half_red():
    """A picture twice as wide as high, its left half red, the right one blue."""
    picture = Image.new("RGB", (120, 60), (220, 10, 10))
    picture.paste((10, 10, 220), (60, 0, 120, 60))
    return picture


def is_red(color):
    return color[0] > 150 and color[1] < 90 and color[2] < 90


def test_a_small_jpeg_is_kept_to_the_last_byte():
    data = encoded(half_red())
    (word,) = read_pictures([data])
    assert pictures_of(word) == [data]


@pytest.mark.parametrize(
    "data",
    [
        encoded(half_red(), "PNG"),
        encoded(half_red().convert("CMYK"), "JPEG"),
        encoded(half_red().convert("P"), "PNG"),
        encoded(half_red(), "WEBP"),
        encoded(half_red(), "BMP"),
        encoded(half_red(), "GIF", save_all=True, append_images=[Image.new("RGB", (120, 60))]),
        encoded(half_red().resize((2400, 1200)), "PNG"),
    ],
    ids=["png", "cmyk", "palette", "webp", "bmp", "animated", "large"],
)
def test_every_kind_becomes_a_small_upright_rgb_picture(data):
    seen = pixels(read_pictures([data])[0])
    assert max(seen.shape[:2]) <= 320 and seen.shape[1] == 2 * seen.shape[0]
    assert is_red(seen[seen.shape[0] // 2, seen.shape[1] // 5])
    assert not is_red(seen[seen.shape[0] // 2, -seen.shape[1] // 5])


def test_what_is_see_through_lies_on_white_and_gray_of_16_bits_is_not_burnt_out():
    clear = encoded(Image.new("RGBA", (40, 40), (0, 0, 0, 0)), "PNG")
    gray = encoded(Image.fromarray(np.full((40, 40), 30_000, dtype=np.uint16)), "PNG")
    on_white, dim = (pixels(word).mean() for word in read_pictures([clear, gray]))
    assert on_white > 250
    assert 100 < dim < 130


def test_a_photo_is_turned_as_its_exif_says():
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright: a quarter turn to the right
    seen = pixels(read_pictures([encoded(half_red(), exif=exif)])[0])
    assert seen.shape[:2] == (120, 60)
    assert is_red(seen[10, 30]) and not is_red(seen[110, 30])


def test_bad_pictures_are_named_by_row(tmp_path):
    whole = encoded(Image.effect_noise((200, 200), 80).convert("RGB"))
    (tmp_path / "good.jpg").write_bytes(whole)
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.jpg").write_text("no picture at all")
    photos = pd.Series(
        ["good.jpg", "cut.jpg", "gone.jpg", None, "text.jpg", "ftp://a/b.jpg", 3, ""], name="photo"
    )
    with pytest.raises(TableError) as caught:
        read_pictures(photos, folder=tmp_path, source="shop.csv")
    message = str(caught.value)
    assert "shop.csv: bad rows" in message
    assert "row 2, column photo is a damaged picture" in message
    assert "row 3, column photo is no file: 'gone.jpg'" in message
    assert "row 5, column photo is no picture" in message
    assert sorted(row for one in caught.value.offenses for row in one.rows) == [1, 2, 4, 5, 6]
    words = read_pictures(photos[[0, 3, 7]], folder=tmp_path)
    assert [bool(word) for word in words] == [True, False, False]
    assert list(words.index) == [0, 3, 7] and words.name == "photo"


def test_bombs_and_what_is_too_large_are_refused():
    bomb = encoded(Image.new("1", (20_000, 20_000)), "PNG")  # 50 kB that unpack to 400 million
    assert len(bomb) < 100_000
    for data, options, problem in [
        (bomb, {}, "pixels"),
        (encoded(half_red()), {"most_pixels": 100}, "120 by 60 pixels, more than 100"),
        (encoded(half_red()), {"most_bytes": 100}, "larger than 100 bytes"),
    ]:
        with pytest.raises(TableError, match=problem):
            read_pictures([data], **options)


def test_a_stranger_cannot_have_files_read():
    with pytest.raises(TableError, match="files are not read here"):
        read_pictures(["/etc/hostname"], folder=None)
    address = "data:image/png;base64," + base64.b64encode(encoded(half_red(), "PNG")).decode()
    assert read_pictures([address], folder=None)[0]
    with pytest.raises(TableError, match="not base64"):
        read_pictures(["data:image/png;base64,%%%"], folder=None)


def test_addresses_are_read_of_allowed_hosts_only_and_no_redirect_is_followed():
    data = encoded(half_red())

    class Pictures(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/a.jpg" else 302)
            self.send_header("Location", "/a.jpg")
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Pictures)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    host = f"127.0.0.1:{server.server_port}"
    try:
        assert pictures_of(read_pictures([f"http://{host}/a.jpg"], hosts=[host])[0]) == [data]
        for address, hosts, problem in [
            (f"http://{host}/a.jpg", [], "not allowed"),
            (f"http://user@{host}/a.jpg", [host], "not allowed"),
            (f"http://{host}/elsewhere", [host], "cannot be fetched"),
        ]:
            with pytest.raises(TableError, match=problem):
                read_pictures([address], hosts=hosts)
    finally:
        server.shutdown()
        server.server_close()


def test_a_content_is_text_with_pictures_in_it():
    (word,) = read_pictures([encoded(half_red())])
    content = f"a scarf {word} of wool"
    assert text_of(content) == "a scarf of wool"
    assert shown(content) == "a scarf [picture] of wool"
    assert text_of("a scarf") == shown("a scarf") == "a scarf"


def test_what_does_not_fit_is_cut_in_its_text_first():
    (word,) = read_pictures([encoded(half_red())])
    content = f"{'ä' * 50_000} {word}"
    kept = cut(content, 20_000)
    assert len(kept.encode()) <= 20_000 and pictures_of(kept) == pictures_of(word)
    assert pictures_of(cut(content, 100)) == []
    assert cut("short", 20_000) == "short"


def test_one_picture_is_no_column():
    with pytest.raises(InputError, match="single one"):
        read_pictures("photo.jpg")
