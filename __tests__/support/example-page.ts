/** The basic example's page in headless Chromium, each page in a browser of its own. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach } from "@jest/globals";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { startListening, stopExamples } from "./example.ts";

/** Chromium reports these on its console, though they are what the page asks for and shows. */
const REFUSAL =
  /^Failed to load resource: .* status of (?:401 .* \/(?:me|login|sessions)|404 .* \/sessions\/[\w-]+|429 .* \/(?:me|health))$/;

function findChromium(): string {
  const names = ["chromium", "chromium-browser", "google-chrome"];
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  const paths = names.flatMap((name) => folders.map((folder) => join(folder, name)));
  const found = paths.find((path) => existsSync(path));
  if (found === undefined) throw new Error(`None of ${names.join(", ")} is on PATH.`);
  return found;
}

/** Resolves once the element is visible and holds the text. */
export async function sees(page: Page, selector: string, text: string | RegExp): Promise<void> {
  await page.locator(selector).filter({ hasText: text, visible: true }).waitFor();
}

/** Fills the form in, and sends it. */
export async function logIn(page: Page, name = "demo", password: string = name): Promise<void> {
  await page.locator("#username").fill(name);
  await page.locator("#password").fill(password);
  await page.locator("#login").click();
}

/** An example for each test of a file. */
export interface ExamplePages {
  /** The page in a browser of its own, once it knows that nobody is signed in. */
  open(this: void, options?: BrowserContextOptions): Promise<Page>;
  /** How often all pages of the test have asked for a path. */
  asked(this: void, path: string): number;
}

/** Starts the example before each test, with these variables; after it, no page may have complained. */
export function usePage(env: Record<string, string> = {}): ExamplePages {
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
    ({ url } = await startListening({ SKIP_REDIS_WARNING: "true", ...env }));
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

  return {
    open: async (options = {}) => {
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
    },
    asked: (path) => requests.filter((address) => address === url + path).length,
  };
}
