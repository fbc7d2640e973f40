"""/docs in a real browser: it renders, Try it out works, and nothing leaves this machine."""

import json
import os
import shutil

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support import expected_conditions as until
from selenium.webdriver.support.ui import WebDriverWait

CHROMIUM = os.environ.get("CHROMIUM", shutil.which("chromium") or shutil.which("chromium-browser"))
DRIVER = os.environ.get("CHROMEDRIVER", shutil.which("chromedriver"))
WAIT_S = 30


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    assert CHROMIUM and DRIVER, "this test needs chromium and chromedriver (Debian: chromium-driver)"
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    profile = tmp_path_factory.mktemp("chromium")
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
        "--no-first-run",
        "--window-size=1400,2000",
        f"--user-data-dir={profile}",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def page(browser, client, server):
    """The page with its data: user_123 has the feature that the examples name."""
    body = {"data_type": "int", "entity": "user"}
    assert client.put("/features/definitions/user_age", json=body).status_code == 200
    value = {"entity_id": "user_123", "features": [{"feature_name": "user_age", "value": 25}]}
    assert client.post("/features/ingest", json=value).status_code == 200
    browser.get_log("performance")
    browser.get(server.url + "/docs")
    wait(browser, "#operations-Reading-readOnline")
    return browser


def wait(browser, selector, condition=until.visibility_of_element_located):
    return WebDriverWait(browser, WAIT_S).until(condition((By.CSS_SELECTOR, selector)))


def requested(browser):
    for entry in browser.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            yield message["params"]["request"]["url"]


def try_out(browser, operation):
    """Opens the operation, sends the values that stand there, gives status and body."""
    block = f"#operations-{operation}"
    click(browser, f"{block} .opblock-summary-control")
    button = wait(browser, f"{block} .try-out__btn")
    if "cancel" not in button.get_attribute("class"):  # the page may have it enabled from the start
        click(browser, f"{block} .try-out__btn")
    click(browser, f"{block} .execute")
    status = wait(browser, f"{block} .live-responses-table tbody .response-col_status").text
    body = wait(browser, f"{block} .live-responses-table tbody .response-col_description").text
    return status.split()[0], body


def click(browser, selector):
    element = wait(browser, selector, until.presence_of_element_located)
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
    wait(browser, selector, until.element_to_be_clickable).click()


def test_it_renders_every_operation(page, client):
    spec = client.get("/openapi.json").json()
    assert page.find_element(By.CSS_SELECTOR, ".info .title").text.startswith("featured")
    blocks = page.find_elements(By.CSS_SELECTOR, ".opblock")
    assert len(blocks) == sum(len(item) for item in spec["paths"].values())
    assert not page.find_elements(By.CSS_SELECTOR, ".errors-wrapper .error")


def test_try_it_out_on_reads(page):
    for operation in ("Reading-readOnline", "Reading-readOnlineBatch", "Reading-readUser"):
        status, body = try_out(page, operation)
        assert status == "200", body
        assert "user_age" in body and "25" in body


def test_no_request_leaves_the_server(page, server):
    try_out(page, "Reading-readOnline")
    urls = list(requested(page))
    assert any(url.startswith(server.url + "/openapi.json") for url in urls)
    assert any("/features/online/user_123" in url for url in urls)
    inside = (server.url + "/", "data:", "blob:")
    assert [url for url in urls if not url.startswith(inside)] == []


def test_the_console_is_quiet(page):
    entries = page.get_log("browser")
    severe = [entry["message"] for entry in entries if entry["level"] == "SEVERE"]
    assert [message for message in severe if "favicon" not in message] == []
