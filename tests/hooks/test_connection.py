"""What an Airflow connection of type ``braze`` may hold, and which errors a bad connection gives."""

from __future__ import annotations

import json

import pytest

from braze_provider._compat import Connection
from braze_provider.api.errors import BrazeConnectionError
from braze_provider.api.limits import BUCKETS
from braze_provider.hooks.braze import BrazeHook
from braze_provider.hooks.connection import EXTRAS, BrazeConnection, Pool
from braze_provider.sandbox import Sandbox

KEY = "a1b2c3d4-the-rest-api-key"
HOST = "rest.iad-01.braze.com"


def read(**fields) -> BrazeConnection:
    extra = fields.pop("extra", None)
    if not isinstance(extra, (str, type(None))):
        extra = json.dumps(extra)
    given = {"conn_type": "braze", "host": HOST, "password": KEY, **fields}
    return BrazeConnection.from_airflow(Connection(conn_id="braze_prod", extra=extra, **given))


def refusal(**fields) -> str:
    """The error about a connection. It always names the connection and never shows the key."""
    with pytest.raises(BrazeConnectionError) as caught:
        read(**fields)
    message = str(caught.value)
    assert message.startswith("Connection 'braze_prod': ")
    assert KEY not in message + repr(caught.value)
    return message.removeprefix("Connection 'braze_prod': ")


# Host -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "base_url"),
    [
        ({"host": HOST}, f"https://{HOST}"),
        ({"host": f"https://{HOST}"}, f"https://{HOST}"),
        ({"host": f"https://{HOST}/"}, f"https://{HOST}"),
        ({"host": f"{HOST}/"}, f"https://{HOST}"),
        ({"host": f"  {HOST}\n"}, f"https://{HOST}"),
        ({"host": "HTTPS://Rest.IAD-01.Braze.com"}, f"https://{HOST}"),
        ({"host": f"{HOST}:8443"}, f"https://{HOST}:8443"),
        ({"host": HOST, "port": 8443}, f"https://{HOST}:8443"),
        ({"host": f"https://{HOST}", "port": 8443}, f"https://{HOST}:8443"),
        ({"host": f"{HOST}:8443", "port": 443}, f"https://{HOST}:8443"),
        ({"host": HOST, "schema": "https"}, f"https://{HOST}"),
        ({"host": "127.0.0.1:8010", "schema": "http"}, "http://127.0.0.1:8010"),
        ({"host": "127.0.0.1:8010", "schema": "HTTP"}, "http://127.0.0.1:8010"),
        ({"host": "https://127.0.0.1", "schema": "http"}, "https://127.0.0.1"),
        ({"host": "http://127.0.0.1:8010"}, "http://127.0.0.1:8010"),
        ({"host": "http://127.8.8.8"}, "http://127.8.8.8"),
        ({"host": "http://localhost:8010"}, "http://localhost:8010"),
        ({"host": "http://[::1]:8010"}, "http://[::1]:8010"),
        ({"host": "[2001:db8::1]"}, "https://[2001:db8::1]"),
        ({"host": "::1", "port": 8010, "schema": "http"}, "http://[::1]:8010"),
        ({"host": "http://::1", "port": 8010}, "http://[::1]:8010"),
    ],
)
def test_host_is_accepted_in_every_usual_form(fields, base_url):
    assert read(**fields).base_url == base_url


@pytest.mark.parametrize(
    ("uri", "base_url"),
    [
        (f"braze://:{KEY}@{HOST}", f"https://{HOST}"),
        (f"braze://:{KEY}@127.0.0.1:8010/http", "http://127.0.0.1:8010"),
        (f"braze://http://:{KEY}@127.0.0.1:8010", "http://127.0.0.1:8010"),
        (f"braze://:{KEY}@[::1]:8010/http", "http://[::1]:8010"),
    ],
)
def test_a_connection_may_be_given_as_airflow_s_uri(monkeypatch, uri, base_url):
    monkeypatch.setenv("AIRFLOW_CONN_BRAZE_URI", uri)
    connection = BrazeHook("braze_uri").connection
    assert (connection.base_url, connection.api_key) == (base_url, KEY)


@pytest.mark.parametrize("host", [None, "", "  "])
def test_an_empty_host_is_named_with_an_example(host):
    assert refusal(host=host) == (
        "host is empty; it must be the REST endpoint, such as rest.iad-01.braze.com"
    )


@pytest.mark.parametrize(
    "host",
    [
        f"{HOST}/messages/send",
        f"https://{HOST}/campaigns",
        f"https://{HOST}?api_key=x",
        f"https://{HOST}#top",
    ],
)
def test_a_whole_url_as_host_is_refused(host):
    assert "host must be a host name alone" in refusal(host=host)


@pytest.mark.parametrize(
    "host", [f"https://:{KEY}@{HOST}", f"{KEY}@{HOST}", f"user:{KEY}@{HOST}", f"@{HOST}"]
)
def test_credentials_in_host_are_refused_and_not_shown(host):
    assert refusal(host=host) == "host holds credentials; the API key belongs in password"


@pytest.mark.parametrize(
    "host",
    [
        "https://",
        "ftp://rest.iad-01.braze.com",
        "rest.iad 01.braze.com",
        "rest..braze.com",
        "[::1",
        "https://[rest.iad-01.braze.com]",
        "rest,braze,com",
        ":443",
    ],
)
def test_a_host_that_is_not_an_address_is_refused(host):
    assert refusal(host=host) == "host is not the address of a REST endpoint"


@pytest.mark.parametrize("port", ["70000", "-1", "https", "44 3"])
def test_a_bad_port_in_host_is_named(port):
    assert refusal(host=f"{HOST}:{port}") == "the port in host is not a number below 65536"


@pytest.mark.parametrize("port", [70_000, -1])
def test_a_bad_port_is_named(port):
    assert refusal(port=port) == "port is not a number below 65536"


def test_a_bad_schema_is_named():
    assert refusal(schema="v2") == "schema must be http or https, or stay empty"


@pytest.mark.parametrize(
    "host",
    [
        "http://rest.iad-01.braze.com",
        "http://10.0.0.1",
        "http://0.0.0.0",
        "http://localhost.example.com",
        "http://127.0.0.1.example.com",
        "http://[2001:db8::1]",
    ],
)
def test_plain_http_that_leaves_this_machine_is_refused(host):
    assert "plain http would show the API key to the network" in refusal(host=host)


def test_plain_http_set_in_schema_is_refused_too():
    assert "plain http" in refusal(schema="http")


@pytest.mark.parametrize("allowed", [True, "true", " True "])
def test_allow_http_permits_plain_http_with_a_warning_each_time(caplog, allowed):
    for _ in range(2):
        connection = read(host="http://braze", port=8010, extra={"allow_http": allowed})
        assert connection.base_url == "http://braze:8010"
    warning = "Connection 'braze_prod': allow_http is set, so the API key goes to braze without encryption"
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", warning)
    ] * 2


def test_each_hook_that_uses_plain_http_warns(monkeypatch, caplog):
    with Sandbox(host="0.0.0.0", token="t0ken") as sandbox:
        fields = json.loads(sandbox.airflow_connection)
        # This address is not a loopback address, but it reaches this machine.
        fields["host"] = sandbox.url.replace("127.0.0.1", "0.0.0.0")
        monkeypatch.setenv("AIRFLOW_CONN_BRAZE_DEFAULT", json.dumps(fields))
        tested = [BrazeHook().test_connection() for _ in range(2)]

    assert tested == [(True, "0.0.0.0 knows the API key, and it may list campaigns")] * 2
    warned = [record for record in caplog.records if "allow_http is set" in record.getMessage()]
    assert len(warned) == 2


@pytest.mark.parametrize("host", [f"https://{HOST}", HOST, "http://127.0.0.1:8010"])
@pytest.mark.parametrize("allowed", [False, "false", "", None])
def test_there_is_no_warning_where_the_key_is_not_shown(caplog, host, allowed):
    read(host=host, extra={"allow_http": allowed})
    assert caplog.records == []


def test_https_gives_no_warning_even_if_plain_http_is_allowed(caplog):
    read(host="https://braze", extra={"allow_http": True})
    assert caplog.records == []


@pytest.mark.parametrize("allowed", [False, "false", "", None])
def test_allow_http_that_is_not_true_permits_nothing(allowed):
    assert refusal(host="http://braze:8010", extra={"allow_http": allowed}).endswith(
        "it is allowed only to loopback addresses, or with allow_http in extra"
    )


@pytest.mark.parametrize("given", ["yes", 1, 0, [True]])
def test_allow_http_that_is_not_a_boolean_is_named(given):
    assert refusal(extra={"allow_http": given}) == "extra.allow_http must be true or false"


@pytest.mark.parametrize(
    "fields",
    [
        {"host": "localhost:8010"},
        {"host": "127.0.0.1:8010"},
        {"host": "[::1]:8010"},
        {"host": "braze:8010", "extra": {"allow_http": True}},
    ],
)
def test_a_host_that_may_be_a_sandbox_must_say_http_or_https(fields):
    """A sandbox does not speak https, and OpenSSL's error would speak of a wrong version number."""
    assert refusal(**fields) == (
        f"host must begin with http:// or https:// here; a sandbox takes http://{fields['host']}"
    )


@pytest.mark.parametrize(
    ("host", "rest"),
    [
        ("dashboard-01.braze.com", "rest.iad-01.braze.com"),
        ("https://dashboard-02.braze.eu", "rest.fra-02.braze.eu"),
        ("https://dashboard.us-10.braze.com/dashboard/app_settings?x=1", "rest.us-10.braze.com"),
    ],
)
def test_a_dashboard_as_host_is_refused_with_its_rest_endpoint(host, rest):
    message = refusal(host=host)
    assert message.startswith("host is a Braze dashboard, not a REST endpoint; the REST endpoint of ")
    assert message.endswith(f" is {rest}")


def test_an_unknown_dashboard_is_refused_with_where_to_look():
    assert refusal(host="dashboard-09.braze.com").endswith("under Settings > APIs and Identifiers")


def test_a_connection_of_another_type_is_refused():
    assert refusal(conn_type="http") == "its type is 'http', not 'braze'"


# Password ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("password", [None, "", "  "])
def test_an_empty_password_is_named(password):
    assert refusal(password=password) == "password is empty; it must hold the REST API key"


@pytest.mark.parametrize(
    "password", [f"Bearer {KEY}", f"{KEY}\nX-Other: 1", f"{KEY}\x00", f"{KEY}…"], ids=ascii
)
def test_a_password_that_can_not_be_a_key_is_named_and_not_shown(password):
    assert refusal(password=password) == (
        "password holds characters that an API key never has; paste only the key"
    )


def test_a_masked_password_is_named_with_the_way_to_test_the_key():
    assert refusal(password="***").endswith("on 3.0, use: airflow connections test <connection id>")


def test_white_space_pasted_around_the_key_is_dropped():
    assert read(password=f" {KEY}\n").api_key == KEY


def test_the_key_is_in_no_repr():
    connection = read(extra={"proxies": "http://user:proxy-password@proxy.example.com"})
    assert HOST in repr(connection)
    assert KEY not in repr(connection)
    assert "proxy-password" not in repr(connection)


# Extra ------------------------------------------------------------------------------------------------------


def test_all_extras_may_be_left_out():
    connection = read()
    assert connection.timeout == (10, 60)
    assert connection.verify is True
    assert (connection.proxies, connection.rate_limits, connection.pools) == ({}, {}, {})


@pytest.mark.parametrize("empty", ["", None])
def test_a_field_that_the_form_leaves_empty_counts_as_left_out(empty):
    assert read(extra=dict.fromkeys(EXTRAS, empty)) == read()


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        (f"key={KEY}", "extra is not JSON"),
        (f'{{"password": "{KEY}"', "extra is not JSON"),
        (f'["{KEY}"]', "extra must be a JSON object"),
        ('"timeout"', "extra must be a JSON object"),
    ],
)
def test_an_extra_that_is_not_a_json_object_is_refused(extra, reason):
    assert refusal(extra=extra) == reason


def test_unknown_extras_are_named_with_the_list_of_known_ones():
    assert refusal(extra={"time_out": 5, "timeout": 5, "api_key": KEY}) == (
        "extra has no field 'api_key', 'time_out'; its fields are timeout, proxies, verify, allow_http, "
        "rate_limits, pools"
    )


@pytest.mark.parametrize(
    ("given", "timeout"),
    [
        (30, (10, 30)),
        (2.5, (2.5, 2.5)),
        ([3, 90], (3, 90)),
        ("30", (10, 30)),
        ("3, 90", (3, 90)),
        ("[3, 90]", (3, 90)),
    ],
)
def test_timeout_is_one_number_or_two_and_may_be_text(given, timeout):
    assert read(extra={"timeout": given}).timeout == timeout


@pytest.mark.parametrize(
    "given",
    [
        0,
        -1,
        True,
        "soon",
        " ",
        "nan",
        "inf",
        "1, 2, 3",
        [1],
        [1, 2, 3],
        [1, 0],
        [1, "2"],
        {"read": 5},
        86_400,
    ],
)
def test_a_bad_timeout_is_named(given):
    assert refusal(extra={"timeout": given}).startswith("extra.timeout must be a number of seconds")


@pytest.mark.parametrize(
    "given",
    [
        "http://proxy:3128",
        {"http": "http://proxy:3128", "https": "http://proxy:3128"},
        '{"http": "http://proxy:3128", "https": "http://proxy:3128"}',
    ],
)
def test_proxies_are_one_url_or_an_object_and_may_be_text(given):
    proxies = {"http": "http://proxy:3128", "https": "http://proxy:3128"}
    assert read(extra={"proxies": given}).proxies == proxies


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (["http://proxy"], "extra.proxies must be an object"),
        ({"https": 3128}, "extra.proxies must be an object"),
        (3128, "extra.proxies must be an object"),
        ('{"https": ', "extra.proxies is not JSON"),
    ],
)
def test_bad_proxies_are_named(given, reason):
    assert refusal(extra={"proxies": given}).startswith(reason)


@pytest.mark.parametrize(
    ("given", "verify"),
    [(True, True), (False, False), ("true", True), ("false", False), ("False", False), (" false ", False)],
)
def test_verify_is_a_boolean_and_may_be_text(given, verify):
    assert read(extra={"verify": given}).verify is verify


def test_verify_may_be_a_ca_bundle(tmp_path):
    bundle = tmp_path / "ca.pem"
    bundle.touch()
    assert read(extra={"verify": f" {bundle} "}).verify == str(bundle)


@pytest.mark.parametrize("given", ["/no/such/bundle.pem", "no", 0, 1, []])
def test_verify_must_be_a_boolean_or_an_existing_file(given):
    assert refusal(extra={"verify": given}) == (
        "extra.verify must be true, false or the path of a CA bundle that exists"
    )


@pytest.mark.parametrize(
    ("given", "limit", "window"),
    [
        ({"default": 500_000}, 500_000, 3600),
        ({"default": {"limit": 500_000}}, 500_000, 3600),
        ({"default": {"limit": 9_000, "window": 60}}, 9_000, 60),
        ('{"default": 500000}', 500_000, 3600),
    ],
)
def test_rate_limits_replace_braze_s_defaults(given, limit, window):
    bucket = read(extra={"rate_limits": given}).bucket("default")
    assert (bucket.limit, bucket.window) == (limit, window)


def test_a_bucket_without_a_limit_of_its_own_has_braze_s_default():
    assert read(extra={"rate_limits": {"default": 5}}).bucket("broadcast") == BUCKETS["broadcast"]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (
            {"Shared": 5},
            "extra.rate_limits.Shared: there is no such bucket; the buckets are default, broadcast, ",
        ),
        ({"default": 0}, "extra.rate_limits.default must be a number of requests"),
        ({"default": True}, "extra.rate_limits.default must be a number of requests"),
        ({"default": "500000"}, "extra.rate_limits.default must be a number of requests"),
        ({"default": 1.5}, "extra.rate_limits.default must be a number of requests"),
        ({"default": {}}, "extra.rate_limits.default must be a number of requests"),
        ({"default": {"limit": 5, "per": 60}}, "extra.rate_limits.default must be a number of requests"),
        ({"default": {"limit": 5, "window": 0}}, "extra.rate_limits.default must be a number of requests"),
        ([500_000], "extra.rate_limits must be a JSON object"),
        ("500000", "extra.rate_limits must be a JSON object"),
        ("shared=5", "extra.rate_limits is not JSON"),
    ],
)
def test_bad_rate_limits_are_named(given, reason):
    assert refusal(extra={"rate_limits": given}).startswith(reason)


@pytest.mark.parametrize(
    "given", [{"braze": {"slots": 10, "bucket": "default"}}, '{"braze": {"slots": 10, "bucket": "default"}}']
)
def test_pools_are_slots_and_a_bucket(given):
    assert read(extra={"pools": given}).pools == {"braze": Pool(10, "default")}


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"braze": 10}, 'extra.pools.braze must be {"slots": number, "bucket": name}'),
        ({"braze": {"slots": 10}}, 'extra.pools.braze must be {"slots": number, "bucket": name}'),
        ({"braze": {"slots": 0, "bucket": "default"}}, "extra.pools.braze.slots must be a number above 0"),
        ({"braze": {"slots": 5, "bucket": "all"}}, "extra.pools.braze.bucket: there is no such bucket"),
        ({"braze": {"slots": 5, "bucket": ["default"]}}, "extra.pools.braze.bucket: there is no such bucket"),
        (["braze"], "extra.pools must be a JSON object"),
        ("braze", "extra.pools is not JSON"),
    ],
)
def test_bad_pools_are_named(given, reason):
    assert refusal(extra={"pools": given}).startswith(reason)


@pytest.mark.parametrize(
    ("pool", "slots", "bucket", "share"),
    [
        ("braze", 1, "default", 0.1),
        ("braze", 4, "default", 0.4),
        ("braze", 10, "default", 1),
        ("braze", 20, "default", 1),
        ("braze", 1, "broadcast", 1),
        ("default_pool", 1, "default", 1),
    ],
)
def test_a_task_s_share_of_a_bucket_is_its_share_of_the_pool(pool, slots, bucket, share):
    connection = read(extra={"pools": {"braze": {"slots": 10, "bucket": "default"}}})
    assert connection.share(pool, slots, bucket) == pytest.approx(share)


@pytest.mark.parametrize(
    ("host", "name"),
    [(HOST, HOST), (f"https://{HOST}:8443/", HOST), ("http://[::1]:8010", "::1")],
)
def test_host_is_the_name_without_scheme_and_port(host, name):
    assert read(host=host).host == name
