/** Passport's login code, as its documentation has it, on the kit's sessions. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { afterAll, beforeAll, expect, it } from "@jest/globals";
import request from "supertest";
import { describeBackends } from "../support/backends.ts";
import { startListening, stopExamples } from "../support/example.ts";
import { startRedis } from "../support/redis-server.ts";
import { sidOf } from "../support/session-app.ts";

it("has login code that knows nothing of the kit", () => {
  const code = readFileSync(resolve(__dirname, "../../examples/passport/auth.ts"), "utf8");
  const imports = [...code.matchAll(/from "([^"]+)"/g)].map(([, name]) => name);
  expect(imports).toEqual(["express", "passport", "passport-local", "./users.ts"]);
  expect(code).not.toMatch(/redis|userId|sessionEnded/i);
});

describeBackends("the example with Passport", (backend) => {
  let url: string;
  // Hashes take time; sessions of different tests do not meet, but for the user that they are of.
  beforeAll(async () => {
    const redis = backend.name === "redis" ? { REDIS_URL: backend.server().url } : {};
    ({ url } = await startListening({ SESSION_SECRET: "test", ...redis }, "passport"));
  });
  afterAll(stopExamples);

  const open = () => request.agent(url);
  type Browser = ReturnType<typeof open>;

  const logIn = (browser: Browser, username = "demo", password = username) =>
    browser.post("/login").type("form").send({ username, password });
  const home = async (browser: Browser): Promise<string> =>
    (await browser.get("/").expect(200)).text;

  it("logs in, and knows the user at the next request", async () => {
    const browser = open();
    expect(await home(browser)).toContain('action="/login"');
    await logIn(browser, "ada").expect(302).expect("Location", "/");
    expect(await home(browser)).toContain("Signed in as ada");
  });

  it.each([
    ["a wrong password", { username: "demo", password: "ada" }, "Wrong user name or password."],
    ["an unknown name", { username: "eve", password: "eve" }, "Wrong user name or password."],
    ["no password", { username: "demo" }, "Missing credentials"],
  ])("says once that %s is not accepted, and signs nobody in", async (_what, body, message) => {
    const browser = open();
    const answer = await browser.post("/login").type("form").send(body);
    expect([answer.status, answer.headers["location"]]).toEqual([302, "/login"]);
    expect((await browser.get("/login")).text).toContain(`<p role="alert">${message}</p>`);
    expect((await browser.get("/login")).text).not.toContain("alert");
    expect(await home(browser)).not.toContain("Signed in");
  });

  it("changes the session's id at a login: one that was there before is worth nothing", async () => {
    const browser = open();
    const before = await logIn(browser, "demo", "wrong");
    const after = await logIn(browser);
    expect(sidOf(before)).toBeDefined();
    expect(sidOf(after)).toBeDefined();
    expect(sidOf(after)).not.toBe(sidOf(before));
    const [planted] = before.headers["set-cookie"] as unknown as string[];
    const attacker = await request(url).get("/").set("Cookie", planted!.split(";")[0]!);
    expect(attacker.text).not.toContain("Signed in");
    expect(await home(browser)).toContain("Signed in as demo");
  });

  it("ends the first browser's session when a second one logs in, and tells the first", async () => {
    const [first, second, other] = [open(), open(), open()];
    await logIn(other, "ada");
    await logIn(first);
    expect(await home(first)).toContain("Signed in as demo");
    await logIn(second).expect("Location", "/");
    const told = await home(first);
    expect(told).toContain("You were signed out: this user signed in from another browser.");
    expect(told).not.toContain("Signed in as");
    // It is told once, and is then as anonymous as any other.
    expect(await home(first)).not.toContain("signed out");
    expect(await home(second)).toContain("Signed in as demo");
    expect(await home(other)).toContain("Signed in as ada");
  });

  it("leaves one session of two logins at the same moment", async () => {
    const browsers = Array.from({ length: 4 }, open);
    await Promise.all(browsers.map((browser) => logIn(browser).expect("Location", "/")));
    const pages = await Promise.all(browsers.map(home));
    expect(pages.filter((page) => page.includes("Signed in as demo"))).toHaveLength(1);
  });

  it("logs out, and the cookie from before signs nobody in", async () => {
    const browser = open();
    const [cookie] = (await logIn(browser)).headers["set-cookie"] as unknown as string[];
    await browser.post("/logout").expect(302).expect("Location", "/");
    expect(await home(browser)).not.toContain("Signed in");
    const copy = await request(url).get("/").set("Cookie", cookie!.split(";")[0]!);
    expect(copy.text).not.toContain("Signed in");
    // Nobody else ended it.
    expect(copy.text).not.toContain("signed out");
  });

  it("logs in again, as the same user or another, in one browser", async () => {
    const browser = open();
    for (const name of ["demo", "demo", "ada"]) {
      await logIn(browser, name).expect("Location", "/");
      expect(await home(browser)).toContain(`Signed in as ${name}`);
    }
  });

  it("counts wrong passwords, though Passport answers them by a redirect, and no right ones", async () => {
    const remaining = async (name: string, password: string) => {
      const answer = await logIn(open(), name, password);
      const field = answer.headers["ratelimit"] ?? "";
      return [answer.status, Number(/"auth";r=(\d+)/.exec(field)?.[1])];
    };
    const name = `nobody-${backend.name}`;
    const statuses: unknown[] = [];
    for (let n = 0; n < 11; n++) statuses.push((await remaining(name, "guess"))[0]);
    expect(statuses).toEqual([...Array<number>(10).fill(302), 429]);
    const [, before] = await remaining("ada", "ada");
    expect(await remaining("ada", "ada")).toEqual([302, before]);
  });
});

it("keeps one Set for the id that serializeUser passed on, and no key after the logout", async () => {
  const redis = await startRedis({ tcp: true });
  try {
    const env = { SESSION_SECRET: "test", REDIS_URL: redis.url };
    const { url } = await startListening(env, "passport");
    const browser = request.agent(url);
    const body = { username: "ada", password: "ada" };
    const answer = await browser.post("/login").type("form").send(body);
    expect(await redis.client.smembers("user:2:sessions")).toEqual([sidOf(answer)]);
    await browser.post("/logout").expect(302);
    expect(await redis.client.keys("user:*")).toEqual([]);
    expect(await redis.client.keys("session:*")).toEqual([]);
  } finally {
    await stopExamples();
    await redis.stop();
  }
});
