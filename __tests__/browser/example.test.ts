/** The example's page, as a person sees it: headless Chromium against a running example. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { startListening, stopExamples } from "../support/example.ts";
import { until } from "../support/redis-server.ts";

/** Chromium reports these on its console, though they are what the page asks for and shows. */
const REFUSAL =
  /^Failed to load resource: .* status of (?:401 .* \/(?:me|login)|429 .* \/(?:me|health))$/;

function findChromium(): string {
  const names = ["chromium", "chromium-browser", "google-chrome"];
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  const paths = names.flatMap((name) => folders.map((folder) => join(folder, name)));
  const found = paths.find((path) => existsSync(path));
  if (found === undefined) throw new Error(`None of ${names.join(", ")} is on PATH.`);
  return found;
}

let browser: Browser;
let url: string;
let complaints: string[];
let requests: string[];

beforeAll(async () => {
  browser = await chromium.launch({ executablePath: findChromium(), args: ["--no-sandbox"] });
});
// One example a test: the limit counts by address, and all pages here share one.
beforeEach(async () => {
  complaints = [];
  requests = [];
  ({ url } = await startListening({ SKIP_REDIS_WARNING: "true" }));
});
afterEach(async () => {
  await Promise.all(browser.contexts().map((context) => context.close()));
  await stopExamples();
  // A violation of the Content-Security-Policy is a console error too.
  assert.deepEqual(complaints, []);
  const elsewhere = requests.filter((address) => !address.startsWith(`${url}/`));
  assert.deepEqual(elsewhere, []);
});
afterAll(() => browser.close());

/** The page in a browser of its own, once it knows that nobody is signed in. */
async function open(options: BrowserContextOptions = {}): Promise<Page> {
  const context = await browser.newContext(options);
  context.setDefaultTimeout(15_000);
  const page = await context.newPage();
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    const isComplaint = ["error", "warning"].includes(message.type());
    const complaint = `${message.text()} ${message.location().url.replace(url, "")}`;
    if (isComplaint && !REFUSAL.test(complaint)) complaints.push(complaint);
  });
  page.on("request", (request) => {
    if (!request.url().startsWith("data:")) requests.push(request.url());
  });
  // Lets a test jump to the next poll; until then time passes as it always does.
  await page.clock.install();
  await page.goto(url);
  await sees(page, "#who", "Not signed in");
  return page;
}

/** Resolves once the element is visible and holds the text. */
async function sees(page: Page, selector: string, text: string | RegExp): Promise<void> {
  await page.locator(selector).filter({ hasText: text, visible: true }).waitFor();
}

async function logIn(page: Page, name = "demo", password = name): Promise<void> {
  await page.locator("#username").fill(name);
  await page.locator("#password").fill(password);
  await page.locator("#login").click();
}

const remaining = async (page: Page) => Number(await page.locator("#limit-remaining").innerText());
const asked = (path: string) => requests.filter((address) => address === url + path).length;

/** Reads the settings; the badge, and the color beside it. */
async function readSettings(page: Page): Promise<{ badge: string; color: string; status: string }> {
  const bars = page.locator("#cache-history li");
  const before = await bars.count();
  await page.locator("#cache-read").click();
  await bars.nth(before).waitFor();
  const text = (selector: string) => page.locator(selector).innerText();
  const [badge, color] = [await text("#cache-badge"), await text("#cache-color")];
  return { badge, color, status: await text("#cache-status") };
}

describe("the session panel", () => {
  it("logs in and out by keyboard alone, and moves the focus along", async () => {
    const page = await open();
    await page.locator("#username").focus();
    await page.keyboard.type("ada");
    await page.keyboard.press("Tab");
    await page.keyboard.type("ada");
    await page.keyboard.press("Enter");
    await sees(page, "#who", "Signed in as ada");
    await page.locator("#logout:focus").waitFor();
    await page.keyboard.press("Enter");
    await sees(page, "#who", "Not signed in");
    await page.locator("#username:focus").waitFor();
  });

  it("says that a password is wrong, and signs nobody in", async () => {
    const page = await open();
    await logIn(page, "demo", "guess");
    await sees(page, "#session-note", "Wrong user name or password.");
    await sees(page, "#who", "Not signed in");
  });

  it("still knows who is signed in after a reload", async () => {
    const page = await open();
    await logIn(page);
    await sees(page, "#who", "Signed in as demo");
    await page.reload();
    await sees(page, "#who", "Signed in as demo");
  });

  it("tells the first browser that a second one signed in, and leaves the second alone", async () => {
    const [first, second] = [await open(), await open()];
    await logIn(first);
    await sees(first, "#who", "Signed in as demo");
    await logIn(second);
    await sees(second, "#who", "Signed in as demo");
    await first.clock.fastForward(3000);
    await sees(first, "#ended", "demo signed in from another browser");
    await sees(first, "#who", "Not signed in");
    await sees(first, "#session-answer", /401 .*"signed-in-elsewhere"/);
    const before = asked("/me");
    await second.clock.fastForward(3000);
    await until(() => asked("/me") > before, "the second browser asks again");
    await sees(second, "#who", "Signed in as demo");
    expect(await second.locator("#ended").isVisible()).toBe(false);
    await logIn(first);
    await sees(first, "#who", "Signed in as demo");
    await first.locator("#ended").waitFor({ state: "hidden" });
  });

  it("keeps the reason for /me where another request comes first", async () => {
    const [first, second] = [await open(), await open()];
    await logIn(first);
    await sees(first, "#who", "Signed in as demo");
    await logIn(second);
    await sees(second, "#who", "Signed in as demo");
    await readSettings(first);
    await first.locator("#burst").click();
    await sees(first, "#limit-note", "All 10 admitted");
    await first.clock.fastForward(3000);
    await sees(first, "#ended", "demo signed in from another browser");
  });

  it("finds out who is signed in once the limit lets it, where the first answer was a refusal", async () => {
    const page = await open();
    await logIn(page);
    await sees(page, "#who", "Signed in as demo");
    await page.route("**/me", (route) => route.fulfill({ status: 429, json: {} }));
    await page.reload();
    await sees(page, "#session-note", "429: Too many requests.");
    await page.unroute("**/me");
    await page.clock.fastForward(3000);
    await sees(page, "#who", "Signed in as demo");
  });

  it("asks who is signed in only while somebody is", async () => {
    const page = await open();
    expect(asked("/me")).toBe(1);
    await logIn(page);
    await sees(page, "#who", "Signed in as demo");
    await page.clock.fastForward(3000);
    await until(() => asked("/me") > 1, "the poll");
    await page.locator("#logout").click();
    await sees(page, "#who", "Not signed in");
    const before = asked("/me");
    await page.clock.fastForward(30_000);
    // A whole round trip later, a poll would have been seen.
    await readSettings(page);
    expect(asked("/me")).toBe(before);
  });
});

describe("the limit panel", () => {
  it("counts down by ten for a burst of ten", async () => {
    const page = await open();
    const before = await remaining(page);
    await page.locator("#burst").click();
    await sees(page, "#limit-note", "All 10 admitted");
    expect(await remaining(page)).toBe(before - 10);
    await sees(page, "#limit-header", `RateLimit: "api";r=${before - 10};t=`);
    expect(await page.locator("#limit-meter").getAttribute("value")).toBe(String(before - 10));
  });

  it("shows the refusals once nothing is left, and stays signed in", async () => {
    const page = await open();
    await logIn(page);
    await sees(page, "#who", "Signed in as demo");
    const answered = page.locator("#burst-answers li");
    while ((await answered.filter({ hasText: "429" }).count()) < 10) {
      const before = asked("/health");
      await page.locator("#burst").click();
      await until(() => asked("/health") === before + 10, "ten requests are sent");
      await sees(page, "#limit-note", /\S/);
    }
    await sees(page, "#limit-note", /10 of 10 refused\. 429: .*Try again in \d+ s\./);
    expect(await remaining(page)).toBe(0);
    await page.clock.fastForward(3000);
    await sees(page, "#session-note", "429: Too many requests.");
    await sees(page, "#who", "Signed in as demo");
  });
});

describe("the cache panel", () => {
  it("shows a miss, then a hit that is faster, and after a change a miss with the new color", async () => {
    const page = await open();
    expect(await page.locator("#save").isDisabled()).toBe(true);
    await logIn(page);
    await sees(page, "#who", "Signed in as demo");
    expect(await readSettings(page)).toEqual({
      badge: "miss",
      color: "teal",
      status: "Cache-Status: express-redis-kit; fwd=miss; stored",
    });
    const slow = parseInt(await page.locator("#cache-time").innerText(), 10);
    expect(await readSettings(page)).toEqual({
      badge: "hit",
      color: "teal",
      status: expect.stringMatching(/^Cache-Status: express-redis-kit; hit; ttl=\d+$/),
    });
    expect(parseInt(await page.locator("#cache-time").innerText(), 10)).toBeLessThan(slow);
    await page.locator("#color").fill("plum");
    await page.locator("#save").click();
    await sees(page, "#cache-note", "Saved plum");
    expect(await readSettings(page)).toMatchObject({ badge: "miss", color: "plum" });
    expect(await readSettings(page)).toMatchObject({ badge: "hit", color: "plum" });
  });
});

it("fits a screen 360 pixels wide, light or dark", async () => {
  for (const colorScheme of ["light", "dark"] as const) {
    const page = await open({ viewport: { width: 360, height: 740 }, colorScheme });
    await readSettings(page);
    await page.locator("#burst").click();
    await sees(page, "#limit-note", "admitted");
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(360);
  }
});
