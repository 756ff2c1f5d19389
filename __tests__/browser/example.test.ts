/** The example's page, as a person sees it: headless Chromium against a running example. */
import { describe, expect, it } from "@jest/globals";
import type { Page } from "playwright-core";
import { logIn, sees, usePage } from "../support/example-page.ts";
import { until } from "../support/redis-server.ts";

const { open, asked } = usePage();

const remaining = async (page: Page) => Number(await page.locator("#limit-remaining").innerText());

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
