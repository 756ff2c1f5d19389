/** What an attacker, a race or a mistake could make of sessions: each was possible once. */
import { describe, expect, it } from "@jest/globals";
import type { RequestHandler } from "express";
import expressSession, { type SessionData } from "express-session";
import type { Kit, KitEvents, SessionOptions } from "express-redis-kit";
import request from "supertest";
import type { Connection } from "../../src/connection/port.ts";
import { describeBackends } from "../support/backends.ts";
import { openWatched } from "../support/connections.ts";
import { makeKit, serve } from "../support/kit.ts";
import { until } from "../support/redis-server.ts";
import {
  cookieLine,
  cookieOf,
  dataOf,
  kitOver,
  sessionApp,
  sidOf,
  signedIn,
  wrap,
} from "../support/session-app.ts";
import { faulty, gated } from "../support/wrapped.ts";

describeBackends("attacks on sessions", (backend) => {
  let kit: Kit;
  const start = (options: SessionOptions = {}) => {
    kit = makeKit(backend.options());
    return sessionApp(kit, options);
  };
  const open = (): Connection => openWatched(backend.options(), { NODE_ENV: "test" }).connection;
  const me = async (app: Parameters<typeof request>[0], cookie: string) =>
    (await request(app).get("/me").set("Cookie", cookie)).body as { user: unknown; data: unknown };

  it("I4: a change of user, also after a regenerate, changes the id: what A ends is not B's", async () => {
    const app = start();
    app.post("/switch", (req, res, next) => {
      req.session.regenerate((error?: unknown) => {
        if (error) return next(error);
        req.session.userId = "8";
        res.json("ok");
      });
    });
    const { agent } = await signedIn(app, "7");
    const switched = await agent.post("/switch").expect(200);
    const other = await signedIn(app, "7");
    expect((await kit.sessions.list("7")).length).toBe(1);
    expect(await kit.sessions.endAll("7")).toBe(1);
    expect(await me(app, other.cookie)).toMatchObject({ user: null });
    expect(await me(app, cookieOf(switched))).toMatchObject({ user: "8" });
  });

  it("I6: who signs out by deleting the user leaves the Set, also where Redis fails then", async () => {
    const connection = open();
    const gate = gated(connection, "srem");
    const app = sessionApp(kitOver(gate.target), { whenFull: "refuse" });
    const { agent, id } = await signedIn(app, "7");
    const left = agent
      .post("/data")
      .send({ userId: "delete" })
      .then(({ status }) => status);
    await until(() => gate.waiting() > 0, "the user leaves");
    // Nothing says yet that nobody is signed in: the Set comes first.
    expect(await connection.get(`session:${id}`)).toContain('"userId":"7"');
    gate.open();
    expect(await left).toBe(200);
    await signedIn(app, "7");
  });

  it("a login whose claim may have run is told of by an event, and leaves nobody signed in", async () => {
    const connection = open();
    const former = await signedIn(sessionApp(kitOver(connection)), "7");
    const broken = kitOver(faulty(connection, 2, "reply-lost").target); // SET, then the claim.
    const answer = await request(sessionApp(broken)).post("/login").send({ user: "7" });
    expect([answer.status, answer.body.code, cookieLine(answer)]).toEqual([
      503,
      "GUARD_UNREACHABLE",
      undefined,
    ]);
    expect(broken.errors).toMatchObject([
      { during: "signing in", error: { code: "GUARD_UNREACHABLE" } },
    ]);
    expect(broken.errors[0]!.error.message).toContain("previous session may have ended");
    expect(await me(sessionApp(kitOver(connection)), former.cookie)).toMatchObject({ user: null });
  });

  it("logins of one request come one after the other: only the last is signed in", async () => {
    const app = start();
    app.post(
      "/both",
      wrap(async (req, res) => {
        await Promise.all([kit.login(req, "7"), kit.login(req, "8")]);
        res.end();
      }),
    );
    const answer = await request(app).post("/both").expect(200);
    expect(await me(app, cookieOf(answer))).toMatchObject({ user: "8" });
    expect(await kit.sessions.list("7")).toEqual([]);
  });

  it("a session object that was kept in a variable signs in once", async () => {
    const app = start({ whenFull: "refuse" });
    const logins: KitEvents["login"][] = [];
    kit.on("login", (detail) => void logins.push(detail));
    app.post("/kept", (req, res, next) => {
      const kept = req.session;
      kept.userId = "7";
      kept.save((failure?: unknown) => {
        if (failure) return next(failure);
        Object.assign(kept, { later: 1 });
        kept.save((error?: unknown) => (error ? next(error) : res.json("ok")));
      });
    });
    const browser = request.agent(await serve(app));
    await browser.post("/data").send({ a: 1 });
    await browser.post("/kept").expect(200);
    expect((await browser.get("/me")).body.data).toEqual({ a: 1, userId: "7", later: 1 });
    await until(() => logins.length > 0, "the login is told");
    expect(logins).toHaveLength(1);
  });

  it("a write to a session that is gone sends no cookie of it", async () => {
    const app = start({ rolling: true });
    let hold: (() => Promise<unknown>) | undefined;
    app.post(
      "/slow",
      wrap(async (req, res) => {
        await hold?.();
        dataOf(req)["late"] = 1;
        res.json("ok");
      }),
    );
    const { agent, cookie } = await signedIn(app, "7");
    hold = () => agent.post("/login").send({ user: "7" });
    const slow = await request(app).post("/slow").set("Cookie", cookie);
    expect(cookieLine(slow)).toBeUndefined();
  });

  it("a script's request with an id that has just gone does not clear the cookie", async () => {
    const app = start();
    const { agent, cookie } = await signedIn(app, "7");
    await agent.post("/login").send({ user: "7" }).expect(200);
    const script = await request(app)
      .get("/me")
      .set({ Cookie: cookie, "Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin" });
    expect([script.body.user, cookieLine(script)]).toEqual([null, undefined]);
    const page = await request(app)
      .get("/me")
      .set({ Cookie: cookie, "Sec-Fetch-Mode": "navigate" });
    expect(cookieLine(page)).toMatch(/1970/);
  });

  it("a key that the handler sets while its session is merged stays what the handler says", async () => {
    const app = start();
    let hold: (() => Promise<unknown>) | undefined;
    app.post(
      "/merge",
      wrap(async (req, res) => {
        await hold?.();
        dataOf(req)["b"] = 1;
        const saved = new Promise((done) => req.session.save(done));
        dataOf(req)["a"] = "mine";
        await saved;
        res.json("ok");
      }),
    );
    const browser = request.agent(await serve(app));
    await browser.post("/data").send({ a: 1 });
    hold = () => browser.post("/data").send({ a: "theirs" });
    await browser.post("/merge").expect(200);
    expect((await browser.get("/me")).body.data).toEqual({ a: "mine", b: 1 });
  });

  it("a stored __proto__ changes no session, and survives no save", async () => {
    const connection = open();
    const app = sessionApp(kitOver(connection));
    const { agent, id } = await signedIn(app, "7");
    const text = (await connection.get(`session:${id}`))!;
    await connection.set(`session:${id}`, text.replace("{", '{"__proto__":{"x":1},'), {
      ttl: 60_000,
    });
    await agent.post("/data").send({ a: 1 }).expect(200);
    expect((await agent.get("/me")).body.data).toEqual({ userId: "7", a: 1 });
  });

  it("a user put into a session whose header has left is signed in by no id", async () => {
    const app = start();
    app.get("/stream", (req, res) => {
      dataOf(req)["n"] = 1;
      res.write("begun");
      const signIn = (): void => {
        dataOf(req)["userId"] = "7";
        res.end();
      };
      res.on("drain", signIn);
    });
    const answer = await request(app).get("/stream");
    expect(answer.status).toBe(200);
    expect(await kit.sessions.list("7")).toEqual([]);
    expect(await me(app, cookieOf(answer))).toMatchObject({ user: null });
  });
});

describe("a bare store", () => {
  it("signs in the id that it was given, also where the data has a field of that name", async () => {
    const kit = makeKit();
    const store = kit.sessionStore();
    const cookie = { originalMaxAge: null, expires: null };
    const data = { cookie, userId: "7", id: "not this" } as unknown as SessionData;
    await new Promise<void>((done, fail) =>
      store.set("given", data, (error) => (error ? fail(error as Error) : done())),
    );
    const [one] = await kit.sessions.list("7");
    expect(one).toBeDefined();
    const held = await new Promise((done) => store.get("given", (_error, found) => done(found)));
    expect(held).toMatchObject({ userId: "7" });
  });
});

describe("a store of one's own that fails", () => {
  it("leaves nobody signed in by a login() that rejects", async () => {
    const kit = makeKit();
    const store = new expressSession.MemoryStore();
    const set = store.set.bind(store);
    let isBroken = true;
    store.set = (id, session, done) => {
      if (isBroken) done?.(new Error("full"));
      else set(id, session, done);
      isBroken = false;
    };
    const app = sessionApp(kit, { store });
    const answer = await request(app).post("/login").send({ user: "7" });
    expect(answer.status).toBe(500);
    const { body } = await request(app).get("/me").set("Cookie", cookieOf(answer));
    expect(body.user).toBeNull();
  });
});

describe("a cache behind a session", () => {
  it("does not store an answer that the client was refused", async () => {
    const kit = makeKit();
    const outcomes: string[] = [];
    kit.on("cache", ({ outcome }) => void outcomes.push(outcome));
    const app = sessionApp(kit);
    const cache = kit.cache("page", { scope: "user" }) as RequestHandler;
    app.get("/page", cache, (req, res) => {
      dataOf(req)["big"] = 1n;
      res.writeHead(200, { "Content-Type": "text/plain" }).end("secret");
    });
    const { cookie } = await signedIn(app, "7");
    for (let n = 0; n < 2; n++) {
      const answer = await request(app).get("/page").set("Cookie", cookie);
      expect([answer.status, sidOf(answer)]).toEqual([500, undefined]);
      expect(String(answer.headers["cache-status"])).not.toContain("stored");
    }
    await until(() => outcomes.length === 4, "both are told of");
    expect(outcomes).toEqual(["miss", "refused", "miss", "refused"]);
  });
});
