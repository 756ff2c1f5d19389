/** The list of a user's live sessions in the basic example, and how they are ended there. */
import { afterEach, beforeEach, expect, it } from "@jest/globals";
import type { SessionInfo } from "express-redis-kit";
import { type Backend, describeBackends } from "../support/backends.ts";
import { createBrowser, startExample, startListening, stopExamples } from "../support/example.ts";

const environment = (backend: Backend): Record<string, string> => ({
  SESSION_SECRET: "test",
  ...(backend.name === "redis" && { REDIS_URL: backend.server().url }),
});

type Client = ReturnType<typeof createBrowser>;

afterEach(stopExamples);

async function signIn(url: string, agent: string, name = "demo"): Promise<Client> {
  const browser = createBrowser(url, { "user-agent": agent });
  const answer = await browser("POST", "/login", { username: name, password: name });
  expect(answer.status).toBe(200);
  return browser;
}

async function list(browser: Client): Promise<SessionInfo[]> {
  const answer = await browser("GET", "/sessions");
  expect(answer.status).toBe(200);
  return ((await answer.json()) as { sessions: SessionInfo[] }).sessions;
}

async function whoIs(browser: Client): Promise<unknown> {
  return (await browser("GET", "/me")).json();
}

const REVOKED = { error: "anonymous", reason: "revoked" };

it.each(["none", "0", "1.5"])("CONCURRENT=%s ends the start, and says why", async (text) => {
  const example = startExample({ SKIP_REDIS_WARNING: "true", CONCURRENT: text });
  expect(await example.exited()).toBe(1);
  expect(example.lines().join("\n")).toMatch(/concurrent.*whole number.*INVALID_OPTION/s);
});

describeBackends("the example's list of sessions", (backend) => {
  let url: string;
  beforeEach(async () => {
    ({ url } = await startListening(environment(backend)));
  });

  it("holds one session a user by default", async () => {
    const first = await signIn(url, "First/1");
    const second = await signIn(url, "Second/2");
    expect(await (await second("GET", "/sessions")).json()).toEqual({
      most: 1,
      sessions: [expect.objectContaining({ userAgent: "Second/2", current: true })],
    });
    // The list says why, as /me does, for it may be the first request after the end.
    const answer = await first("GET", "/sessions");
    expect(answer.status).toBe(401);
    expect(await answer.json()).toEqual({ error: "anonymous", reason: "signed-in-elsewhere" });
  });

  it("is nobody's without a login", async () => {
    const stranger = createBrowser(url);
    const statuses = [
      (await stranger("GET", "/sessions")).status,
      (await stranger("DELETE", "/sessions/x")).status,
      (await stranger("POST", "/sessions/end-others")).status,
    ];
    expect(statuses).toEqual([401, 401, 401]);
  });
});

describeBackends("the example's list of sessions, with CONCURRENT=3", (backend) => {
  let url: string;
  beforeEach(async () => {
    ({ url } = await startListening({ ...environment(backend), CONCURRENT: "3" }));
  });

  it("shows where from, with what and when each was signed in, and which is one's own", async () => {
    const before = Date.now();
    const first = await signIn(url, "First/1");
    await signIn(url, "Second/2");
    await signIn(url, "Ada's/3", "ada");
    const sessions = await list(first);
    expect(sessions.map(({ userAgent, current, ip }) => [userAgent, current, ip])).toEqual([
      ["Second/2", false, "127.0.0.1"],
      ["First/1", true, "127.0.0.1"],
    ]);
    for (const { handle, created, lastSeen } of sessions) {
      expect(handle).toMatch(/^[\w-]{22}$/);
      expect(created).toBeGreaterThanOrEqual(before);
      expect(lastSeen).toBeGreaterThanOrEqual(created);
      expect(lastSeen).toBeLessThanOrEqual(Date.now());
    }
  });

  it("ends one; its next request is told that it was ended", async () => {
    const [first, second, third] = [
      await signIn(url, "First/1"),
      await signIn(url, "Second/2"),
      await signIn(url, "Third/3"),
    ];
    const { handle } = (await list(first)).find(({ userAgent }) => userAgent === "Second/2")!;
    expect((await first("DELETE", `/sessions/${handle}`)).status).toBe(204);
    expect(await whoIs(second)).toEqual(REVOKED);
    // It is told once, and is then as anonymous as any other.
    expect(await whoIs(second)).toEqual({ error: "anonymous" });
    expect(await whoIs(first)).toEqual({ user: "demo" });
    expect(await whoIs(third)).toEqual({ user: "demo" });
    expect((await list(third)).map(({ userAgent }) => userAgent)).toEqual(["Third/3", "First/1"]);
    expect((await first("DELETE", `/sessions/${handle}`)).status).toBe(404);
  });

  it("ends no session of another user, even by its handle", async () => {
    const demo = await signIn(url, "First/1");
    const ada = await signIn(url, "Second/2", "ada");
    const [own] = await list(ada);
    expect((await demo("DELETE", `/sessions/${own!.handle}`)).status).toBe(404);
    expect(await whoIs(ada)).toEqual({ user: "ada" });
  });

  it("ends all others of the user, and says how many", async () => {
    const others = [await signIn(url, "First/1"), await signIn(url, "Second/2")];
    const own = await signIn(url, "Third/3");
    const ada = await signIn(url, "Fourth/4", "ada");
    const answer = await own("POST", "/sessions/end-others");
    expect(await answer.json()).toEqual({ ended: 2 });
    for (const other of others) expect(await whoIs(other)).toEqual(REVOKED);
    expect(await list(own)).toEqual([expect.objectContaining({ current: true })]);
    expect(await whoIs(ada)).toEqual({ user: "ada" });
  });

  it("makes room for a fourth login by ending the oldest", async () => {
    const oldest = await signIn(url, "First/1");
    for (const agent of ["Second/2", "Third/3", "Fourth/4"]) await signIn(url, agent);
    expect(await whoIs(oldest)).toEqual({ error: "anonymous", reason: "signed-in-elsewhere" });
  });
});
