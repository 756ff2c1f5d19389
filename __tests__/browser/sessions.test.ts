/** The table of live sessions on the example's page, with `CONCURRENT=3`. */
import { expect, it } from "@jest/globals";
import type { Page } from "playwright-core";
import { logIn, sees, usePage } from "../support/example-page.ts";

const { open } = usePage({ CONCURRENT: "3" });

/** A browser of its own, signed in as demo, with its list before it. */
async function signIn(userAgent: string, width = 1280): Promise<Page> {
  const page = await open({ userAgent, viewport: { width, height: 740 } });
  await logIn(page);
  await sees(page, "#sessions-note", "live session");
  return page;
}

const rows = (page: Page) => page.getByRole("table").getByRole("row");

async function refresh(page: Page, count: number): Promise<void> {
  await page.getByRole("button", { name: "Refresh" }).click();
  await sees(page, "#sessions-note", `${count} live sessions`);
}

it("lists the user's browsers as text, the newest first, and marks one's own", async () => {
  const markup = "<img src=x onerror=alert(1)>";
  const first = await signIn("First/1");
  await sees(first, "#sessions-note", "One live session");
  await sees(first, "#sessions-most", "At most 3");
  await signIn(markup);
  await refresh(first, 2);
  const [newest, own] = [rows(first).nth(1), rows(first).nth(2)];
  expect(await newest.getByRole("cell").allInnerTexts()).toEqual([
    expect.stringMatching(/\d:\d\d/),
    expect.stringMatching(/\d:\d\d/),
    "127.0.0.1",
    markup,
    "End",
  ]);
  expect((await own.getByRole("cell").allInnerTexts()).slice(2)).toEqual([
    "127.0.0.1",
    "First/1",
    "This browser",
  ]);
});

it("ends another browser's session by keyboard; that one says so, and this one keeps the focus", async () => {
  const [first, second] = [await signIn("First/1"), await signIn("Second/2")];
  await refresh(first, 2);
  const end = first.getByRole("button", { name: /^End the session signed in at .+ from 127/ });
  await end.focus();
  await first.keyboard.press("Enter");
  await sees(first, "#sessions-note", /Ended: .* One live session/);
  await first.locator("#sessions-refresh:focus").waitFor();
  await second.clock.fastForward(3000);
  await sees(second, "#ended", "You were signed out: this session was ended from another browser.");
  await sees(second, "#who", "Not signed in");
  expect(await second.locator("#sessions").isVisible()).toBe(false);
  expect(await second.locator("#sessions-rows tr").count()).toBe(0);
});

it("ends all others", async () => {
  const others = [await signIn("First/1"), await signIn("Second/2")];
  const own = await signIn("Third/3");
  await own.getByRole("button", { name: "End all others" }).click();
  await sees(own, "#sessions-note", "Ended 2. One live session");
  expect(await own.locator("#sessions-end-others").isDisabled()).toBe(true);
  // A page asks by itself every now and then, so it may know already.
  for (const other of others) await other.clock.fastForward(3000);
  for (const other of others) await sees(other, "#ended", "ended from another browser");
  await sees(own, "#who", "Signed in as demo");
});

it("says that a session in an old list was over already", async () => {
  const [first, second] = [await signIn("First/1"), await signIn("Second/2")];
  await refresh(first, 2);
  await second.locator("#logout").click();
  await sees(second, "#who", "Not signed in");
  await first.getByRole("button", { name: /^End the session/ }).click();
  await sees(first, "#sessions-note", "That session was over already. One live session");
});

it("is a table with its headers on a screen 320 pixels wide, and fits it", async () => {
  const agent = `Mozilla/5.0 (${"X".repeat(200)})`;
  const page = await signIn(agent, 320);
  await signIn("Second/2");
  await refresh(page, 2);
  expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(320);
  expect(await page.getByRole("columnheader").allInnerTexts()).toHaveLength(6);
  expect(await rows(page).nth(2).getByRole("cell").count()).toBe(5);
});
