"""Encryption: the first key encrypts, all decrypt, and a missing key is an error rather than a garbled text."""

from __future__ import annotations

from pathlib import Path

import pytest
from chatkit.types import ThreadMetadata

from runtime.stores import open_store
from runtime.stores.cipher import Cipher, is_encrypted, new_key
from runtime.stores.store import StoreError
from runtime.testing.store_samples import new_message, new_metadata

OLD, NEW, OTHER = new_key(), new_key(), new_key()


def bytes_below(folder: Path) -> bytes:
    """Return the bytes of all files in a folder."""
    return b"".join(path.read_bytes() for path in folder.iterdir())


def test_the_first_key_encrypts_and_every_key_decrypts() -> None:
    old, both = Cipher([OLD]), Cipher([NEW, OLD])
    token = old.encrypt("Größe 🌍")
    assert is_encrypted(token)
    assert "Größe" not in token
    assert both.decrypt(token) == "Größe 🌍"
    assert (old.is_current(token), both.is_current(token)) == (True, False)
    assert both.is_current(both.encrypt("a"))
    assert both.decrypt_bytes(old.encrypt_bytes(b"\x00\xff")) == b"\x00\xff"
    assert both.is_current(both.encrypt_bytes(b"a"))


@pytest.mark.parametrize("text", ["", "plain", '{"a": 1}', "fernet:", "fernet:not a token", "fernet:gAAAA and more"])
def test_a_text_from_before_encryption_is_read_as_it_is(text: str) -> None:
    cipher = Cipher([NEW])
    assert cipher.decrypt(text) == text
    assert cipher.decrypt(cipher.encrypt(text)) == text
    assert not cipher.is_current(text)


def test_a_missing_key_is_named_and_no_text_is_shown() -> None:
    with pytest.raises(StoreError, match=r"a key that `store.encrypt` does not list"):
        Cipher([OTHER]).decrypt(Cipher([NEW]).encrypt("secret words"))


@pytest.mark.parametrize("key", ["", "short", "x" * 44, "abcd" * 10 + "="])
def test_a_key_that_is_none_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(StoreError, match=r"key 2 of `store.encrypt` is not a key") as raised:
        Cipher([NEW, key])
    assert not key or key not in str(raised.value)


async def test_the_files_of_an_encrypted_store_hold_no_words(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/threads.db"
    store = open_store(url, [NEW])
    await store.open()
    thread = new_metadata(title="zebra title", metadata={"note": "zebra note"})
    await store.create_thread("ann", thread, [new_message(thread.id, "zebra words")])
    await store.update_thread("ann", thread.id, title="zebra again")
    loaded = await store.load_thread("ann", thread.id)
    assert (loaded.title, loaded.metadata) == ("zebra again", {"note": "zebra note"})
    items = await store.load_items("ann", thread.id, limit=10)
    assert "zebra words" in items.model_dump_json()
    await store.close()
    assert b"zebra" not in bytes_below(tmp_path)


async def test_a_store_without_its_key_does_not_open(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/threads.db"
    store = open_store(url, [NEW])
    await store.open()
    await store.save_thread("ann", ThreadMetadata(id="thr_1", title="a", created_at=new_metadata().created_at))
    await store.close()
    for keys, message in (([], "the store is encrypted"), ([OTHER], "does not list")):
        store = open_store(url, keys)
        with pytest.raises(StoreError, match=message):
            await store.open()
    store = open_store(url, [OTHER, NEW])
    await store.open()
    assert (await store.load_thread("ann", "thr_1")).title == "a"
    await store.close()


async def test_a_title_that_was_set_before_encryption_is_kept(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/threads.db"
    thread = new_metadata(title="before")
    for keys in ((), (NEW,)):
        store = open_store(url, keys)
        await store.open()
        await store.save_thread("ann", thread) if not keys else None
        assert (await store.update_thread("ann", thread.id, title="after", only_if_untitled=True)).title == "before"
        await store.close()
