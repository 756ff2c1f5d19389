/** Sessions that express-session and connect-redis made go on under the kit, and end there for good. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import type { RequestHandler } from "express";
import type { KitEvents, SessionOptions } from "express-redis-kit";
import request from "supertest";
import { openWatched } from "../support/connections.ts";
import { makeKit, serve } from "../support/kit.ts";
import { type RedisServer, startRedis, until } from "../support/redis-server.ts";
import { kitOver } from "../support/session-app.ts";
import { routes, serveStock } from "../support/stock-app.ts";
import { gated } from "../support/wrapped.ts";

const SECRET = "a secret that both stacks have";
const HOUR = 3_600_000;

let server: RedisServer;
let stock: Awaited<ReturnType<typeof serveStock>>;
beforeAll(async () => {
  server = await startRedis();
});
beforeEach(() => server.client.flushall());
afterEach(() => stock.stop());
afterAll(() => server.stop());

/** Instances of the kit beside the stock app, each with a connection of its own. */
async function instances(
  options: SessionOptions,
  count = 1,
): Promise<{ urls: string[]; logins: KitEvents["login"][] }> {
  const logins: KitEvents["login"][] = [];
  const urls = Array.from({ length: count }, () => {
    const kit = makeKit({ redis: server.url });
    kit.on("login", (detail) => void logins.push(detail));
    return serve(routes(kit.session({ secret: SECRET, ...options }) as RequestHandler));
  });
  return { urls: await Promise.all(urls), logins };
}

const cookieOf = (response: request.Response): string => {
  const lines: string[] = [response.headers["set-cookie"] ?? []].flat();
  return lines.map((line) => line.split(";", 1)[0]).join("; ");
};
const me = async (url: string, cookie: string) => request(url).get("/me").set("Cookie", cookie);
const login = async (url: string, user = "7") =>
  cookieOf(await request(url).post("/login").send({ user }).expect(200));
const idOf = (cookie: string): string => /=s%3A([^.]+)\./.exec(cookie)![1]!;
const keys = async (pattern: string) => (await server.client.keys(pattern)).toSorted();

describe.each([
  ["under another prefix and cookie", "sess:", "connect.sid"],
  ["under the kit's own prefix and cookie", "session:", "sid"],
])("sessions %s", (_title, prefix, name) => {
  const isElsewhere = prefix !== "session:";
  const options: SessionOptions = isElsewhere ? { adopt: { prefix, cookie: name } } : {};
  const start = async (more: SessionOptions = {}, count = 1) => {
    stock = await serveStock({ socketPath: server.socketPath, secret: SECRET, prefix, name });
    return instances({ ...options, ...more }, count);
  };

  it("go on, signed in, under a cookie of ours", async () => {
    const { urls, logins } = await start();
    const old = await login(stock.url);
    const response = await me(urls[0]!, old);
    expect(response.body).toMatchObject({ userId: "7" });
    expect(cookieOf(response)).toBe(isElsewhere ? `sid=${old.split("=")[1]!}` : "");
    expect(await server.client.smembers("user:7:sessions")).toEqual([idOf(old)]);
    await until(() => logins.length > 0, "the login is told");
    expect(logins).toEqual([{ userId: "7", ended: 0, adopted: true }]);
    expect((await me(urls[0]!, cookieOf(response) || old)).body).toMatchObject({ userId: "7" });
    expect(logins).toHaveLength(1);
  });

  it("of nobody go on with their data, and begin to age", async () => {
    const { urls } = await start();
    const old = cookieOf(
      await request(stock.url)
        .post("/set")
        .send({ cart: [1] }),
    );
    expect((await me(urls[0]!, old)).body).toEqual({ cart: [1] });
    expect(await keys("user:*")).toEqual([]);
    expect(JSON.parse((await server.client.get(`session:${idOf(old)}`))!)).toMatchObject({
      $kit: { adopted: true },
    });
  });

  it("are claimed once, whoever reads first: 20 requests at once on 3 instances", async () => {
    const { urls, logins } = await start({}, 3);
    const old = await login(stock.url);
    const reads = Array.from({ length: 20 }, (_, n) => me(urls[n % 3]!, old));
    for (const { body } of await Promise.all(reads)) expect(body).toEqual({ userId: "7" });
    await until(() => logins.length > 0, "the login is told");
    expect(logins).toHaveLength(1);
  });

  it("end the user's other session, and the last that is seen is the one that stays", async () => {
    const { urls } = await start();
    const [first, second] = [await login(stock.url), await login(stock.url)];
    await me(urls[0]!, first);
    await me(urls[0]!, second);
    const ended = await me(urls[0]!, first);
    expect(ended.body).toEqual({ ended: "signed-in-elsewhere" });
    expect((await me(urls[0]!, second)).body).toMatchObject({ userId: "7" });
  });

  it.each(["a login elsewhere", "a logout"])("never return after %s", async (what) => {
    const { urls } = await start();
    const old = await login(stock.url);
    await me(urls[0]!, old);
    if (what === "a logout") await request(urls[0]!).post("/logout").set("Cookie", old);
    else await login(urls[0]!);
    await until(
      async () => !isElsewhere || (await keys("sess:*")).length === 0,
      "the old key is deleted",
    );
    for (let n = 0; n < 3; n++) expect((await me(urls[0]!, old)).body.userId).toBeUndefined();
    // Nor once the tombstone has gone.
    await server.client.del(`session:${idOf(old)}`);
    expect((await me(urls[0]!, old)).body.userId).toBeUndefined();
  });

  it("have both their cookies cleared with them", async () => {
    const { urls } = await start();
    const old = await login(stock.url);
    const ours = cookieOf(await me(urls[0]!, old));
    const both = [old, ours].filter(Boolean).join("; ");
    const response = await request(urls[0]!).post("/logout").set("Cookie", both);
    const lines = [response.headers["set-cookie"]].flat().map(String);
    const names = new Set(lines.map((line) => line.split("=", 1)[0]));
    expect(names).toEqual(new Set(isElsewhere ? ["connect.sid", "sid"] : ["sid"]));
    for (const line of lines) expect(line).toMatch(/=; .*Expires=Thu, 01 Jan 1970/);
  });

  it("are turned away where whenFull is 'refuse' and there is no room", async () => {
    const { urls } = await start({ whenFull: "refuse" });
    const first = await login(urls[0]!);
    const old = await login(stock.url);
    expect((await me(urls[0]!, old)).body).toEqual({ ended: "signed-in-elsewhere" });
    expect((await me(urls[0]!, first)).body).toMatchObject({ userId: "7" });
  });
});

describe("beside the stock stack, while both run", () => {
  it("the old key ends no later than what was made of it", async () => {
    const cookie = { maxAge: 14 * 24 * HOUR };
    stock = await serveStock({ socketPath: server.socketPath, secret: SECRET, cookie });
    const { urls } = await instances({ adopt: { prefix: "sess:", cookie: "connect.sid" } });
    const old = await login(stock.url);
    await me(urls[0]!, old);
    const [before, after] = [`sess:${idOf(old)}`, `session:${idOf(old)}`];
    const left = await server.client.pttl(before);
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThanOrEqual((await server.client.pttl(after)) + 1000);
    // The stock stack still finds its session.
    expect((await me(stock.url, old)).body).toMatchObject({ userId: "7" });
  });

  it("that stack reads, keeps and changes a session of ours, and reads a tombstone as nobody's", async () => {
    const options = { socketPath: server.socketPath, secret: SECRET };
    stock = await serveStock({ ...options, prefix: "session:", name: "sid" });
    const { urls } = await instances({});
    const ours = await login(urls[0]!);
    expect((await me(stock.url, ours)).body).toMatchObject({ userId: "7" });
    await request(stock.url).post("/set").set("Cookie", ours).send({ cart: 2 });
    expect((await me(urls[0]!, ours)).body).toEqual({ userId: "7", cart: 2 });
    await login(urls[0]!);
    expect((await me(stock.url, ours)).body.userId).toBeUndefined();
    await request(stock.url).post("/set").set("Cookie", ours).send({ cart: 3 });
    expect((await me(urls[0]!, ours)).body.userId).toBeUndefined();
  });

  it("a cookie that neither stack signed, and a good one of an unknown id, are nobody's", async () => {
    stock = await serveStock({ socketPath: server.socketPath, secret: SECRET });
    const { urls } = await instances({ adopt: { prefix: "sess:", cookie: "connect.sid" } });
    const old = await login(stock.url);
    const forged = old.slice(0, -3);
    expect((await me(urls[0]!, forged)).body).toEqual({});
    await server.client.flushall();
    const unknown = await me(urls[0]!, old);
    expect(unknown.body).toEqual({});
    expect(String(unknown.headers["set-cookie"])).toMatch(/^connect\.sid=; .*1970/);
  });
});

describe("an adopted session that has ended", () => {
  const options: SessionOptions = { adopt: { prefix: "sess:", cookie: "connect.sid" } };
  const startStock = async (): Promise<void> => {
    stock = await serveStock({ socketPath: server.socketPath, secret: SECRET });
  };

  it("is not adopted by a request that had looked before it ended", async () => {
    await startStock();
    const old = await login(stock.url);
    const { connection } = openWatched({ redis: server.url });
    const gate = gated(connection, "set");
    const slow = routes(kitOver(gate.target).session({ secret: SECRET, ...options }) as never);
    const late = me(await serve(slow), old).then(({ body }) => body as object);
    await until(() => gate.waiting() > 0, "it has looked, and is about to adopt");
    const { urls } = await instances(options);
    await request(urls[0]!).post("/logout").set("Cookie", old).expect(200);
    const current = await login(urls[0]!);
    gate.open();
    expect(await late).toEqual({});
    expect((await me(urls[0]!, current)).body).toMatchObject({ userId: "7" });
  });

  it("does not come back where the other stack writes it once more", async () => {
    await startStock();
    const old = await login(stock.url);
    const { urls } = await instances(options);
    await me(urls[0]!, old);
    const held = await stock.store.get(idOf(old));
    await request(urls[0]!).post("/logout").set("Cookie", old).expect(200);
    await stock.store.set(idOf(old), held);
    expect((await me(urls[0]!, old)).body).toEqual({});
  });

  it("ends for good from a process that knows nothing of the prefix", async () => {
    await startStock();
    const old = await login(stock.url);
    const { urls } = await instances(options);
    await me(urls[0]!, old);
    expect(await makeKit({ redis: server.url }).sessions.endAll("7")).toBe(1);
    expect(await keys("sess:*")).toEqual([]);
    expect((await me(urls[0]!, old)).body).toEqual({ ended: "revoked" });
  });

  it("does not come back after its timeouts, though the old key is still there", async () => {
    await startStock();
    const old = await login(stock.url);
    const { urls } = await instances(options);
    await me(urls[0]!, old);
    await server.client.del(`session:${idOf(old)}`); // As its expiry does.
    expect(await keys("sess:*")).toHaveLength(1);
    expect((await me(urls[0]!, old)).body).toEqual({});
  });

  it("does not come back after clear()", async () => {
    await startStock();
    const [read, unread] = [await login(stock.url), await login(stock.url, "8")];
    const kit = makeKit({ redis: server.url });
    const url = await serve(routes(kit.session({ secret: SECRET, ...options }) as never));
    await me(url, read);
    await new Promise((done) => kit.sessionStore(options).clear!(done));
    expect(await keys("sess*")).toEqual([]);
    for (const cookie of [read, unread]) expect((await me(url, cookie)).body).toEqual({});
  });

  it("is told why, where the prefix is the kit's own and adopt names it all the same", async () => {
    const own = { prefix: "session:", cookie: "sid" };
    stock = await serveStock({
      socketPath: server.socketPath,
      secret: SECRET,
      prefix: own.prefix,
      name: own.cookie,
    });
    const { urls } = await instances({ adopt: own });
    const old = await login(stock.url);
    await me(urls[0]!, old);
    await login(urls[0]!);
    expect((await me(urls[0]!, old)).body).toEqual({ ended: "signed-in-elsewhere" });
  });
});
