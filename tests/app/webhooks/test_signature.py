from __future__ import annotations

import base64

from app.webhooks.signature import PREFIX, SECRET_BYTES, headers, new_secret

KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_the_example_of_the_specifications_libraries() -> None:
    sent = headers("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}', [KEY])
    assert sent == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_every_valid_secret_signs() -> None:
    new = new_secret()
    both = headers("msg_1", 1, b"x", [new, KEY])["webhook-signature"].split(" ")
    assert both == [headers("msg_1", 1, b"x", [key])["webhook-signature"] for key in (new, KEY)]
    assert both[0] != both[1]


def test_a_secret_has_the_form_of_the_specification() -> None:
    assert len(base64.b64decode(new_secret().removeprefix(PREFIX), validate=True)) == SECRET_BYTES
    assert new_secret() != new_secret()
