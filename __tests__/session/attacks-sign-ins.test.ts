/** Sign-ins in the midst of other work on the same session: each of these once signed in, or out, the wrong one. */
import { beforeEach, describe, expect, it } from "@jest/globals";
import type { Request, Response } from "express";
import type { Kit, SessionOptions } from "express-redis-kit";
import request from "supertest";
import { describeBackends } from "../support/backends.ts";
import { makeKit, serve } from "../support/kit.ts";
import {
  cookieLine,
  cookieOf,
  dataOf,
  sessionApp,
  signedIn,
  wrap,
} from "../support/session-app.ts";
import { serveStock } from "../support/stock-app.ts";

type Work = (req: Request, res: Response) => unknown;

describeBackends("a sign-in in the midst of things", (backend) => {
  let kit: Kit;
  let work: Work;
  beforeEach(() => {
    kit = makeKit(backend.options());
  });
  const start = (options: SessionOptions = {}): Promise<string> => {
    const app = sessionApp(kit, options);
    app.post(
      "/work",
      wrap(async (req, res) => work(req, res)),
    );
    app.get(
      "/work",
      wrap(async (req, res) => work(req, res)),
    );
    return serve(app);
  };
  const userOf = async (url: string, cookie: string): Promise<unknown> =>
    (await request(url).get("/me").set("Cookie", cookie)).body.user;
  const save = (req: Request): Promise<void> =>
    new Promise((done, fail) =>
      req.session.save((error?: unknown) => (error ? fail(error) : done())),
    );

  it.each<[string, Work]>([
    [
      "after a save that is under way",
      async (req, res) => {
        dataOf(req)["a"] = 1;
        await save(req);
        dataOf(req)["b"] = 1;
        req.session.save();
        req.session.userId = "7";
        await save(req);
        res.json("ok");
      },
    ],
    [
      "the same, answered at once",
      async (req, res) => {
        dataOf(req)["a"] = 1;
        await save(req);
        dataOf(req)["b"] = 1;
        req.session.save();
        req.session.userId = "7";
        res.json("ok");
      },
    ],
    [
      "after two that nobody waits for",
      (req, res) => {
        dataOf(req)["a"] = 1;
        req.session.save();
        dataOf(req)["b"] = 1;
        req.session.save();
        req.session.userId = "7";
        res.json("ok");
      },
    ],
  ])("is under a fresh id, %s: the one that came in is nobody's", async (_title, how) => {
    work = how;
    const url = await start();
    const planted = cookieOf(await request(url).post("/data").send({ c: 1 }));
    const answer = await request(url).post("/work").set("Cookie", planted);
    expect(answer.status).toBe(200);
    expect(cookieOf(answer)).not.toBe(planted);
    expect([await userOf(url, cookieOf(answer)), await userOf(url, planted)]).toEqual(["7", null]);
    expect(await kit.sessions.list("7")).toHaveLength(1);
  });

  it("that is refused leaves the request what it had: a cart, and its cookie", async () => {
    const codes: unknown[] = [];
    work = async (req, res) => {
      req.session.userId = "7";
      await save(req).catch((error: { code: string }) => codes.push(error.code));
      res.status(409).json(dataOf(req)["cart"]);
    };
    const url = await start({ whenFull: "refuse" });
    await signedIn(url, "7");
    const cart = cookieOf(await request(url).post("/data").send({ cart: 3 }));
    const refused = await request(url).post("/work").set("Cookie", cart);
    expect([codes, refused.status, refused.body, cookieLine(refused)]).toEqual([
      ["SESSION_LIMIT"],
      409,
      3,
      undefined,
    ]);
    const after = await request(url).get("/me").set("Cookie", cart);
    expect(after.body).toMatchObject({ user: null, data: { cart: 3 } });
  });

  it("that is refused leaves a user who would have switched signed in as before", async () => {
    work = async (req, res) => {
      req.session.userId = "8";
      await save(req).catch(() => {});
      res.status(409).json(req.session.userId);
    };
    const url = await start({ whenFull: "refuse" });
    await signedIn(url, "8");
    const { cookie } = await signedIn(url, "7");
    const refused = await request(url).post("/work").set("Cookie", cookie);
    expect([refused.status, refused.body]).toEqual([409, "7"]);
    expect(await userOf(url, cookieOf(refused) || cookie)).toBe("7");
  });

  it("ends with a destroy() through the object that was signed in", async () => {
    work = async (req, res) => {
      const kept = req.session;
      kept.userId = "7";
      await save(req);
      await new Promise((done) => kept.destroy(done));
      res.json("ok");
    };
    const url = await start();
    const cookie = cookieOf(await request(url).post("/data").send({ a: 1 }));
    await request(url).post("/work").set("Cookie", cookie).expect(200);
    expect(await kit.sessions.list("7")).toEqual([]);
  });

  it("keeps what is put into the new session, whatever is saved through the old object", async () => {
    work = async (req, res) => {
      const kept = req.session;
      kept.userId = "7";
      await save(req);
      dataOf(req)["flash"] = "hello";
      Object.assign(kept, { later: 1 });
      await new Promise((done) => kept.save(done));
      res.json("ok");
    };
    const url = await start();
    const cookie = cookieOf(await request(url).post("/data").send({ a: 1 }));
    const answer = await request(url).post("/work").set("Cookie", cookie).expect(200);
    const { body } = await request(url).get("/me").set("Cookie", cookieOf(answer));
    expect(body.data).toEqual({ a: 1, userId: "7", flash: "hello", later: 1 });
  });

  it("survives a second regenerate() at the same time", async () => {
    work = async (req, res) => {
      const { userId } = req.session;
      const regenerate = () => new Promise((done) => req.session.regenerate(done));
      await Promise.all([regenerate(), regenerate()]);
      req.session.userId = userId!;
      res.json("ok");
    };
    const url = await start();
    const { cookie } = await signedIn(url, "7");
    const answer = await request(url).post("/work").set("Cookie", cookie).expect(200);
    expect(await userOf(url, cookieOf(answer))).toBe("7");
    expect(await kit.sessions.list("7")).toHaveLength(1);
  });

  it.each<[string, Work]>([
    [
      "in regenerate's callback",
      (req, res) => {
        req.session.regenerate(() => (req.session.userId = "7"));
        res.json("ok");
      },
    ],
    [
      "by a login() that is not waited for",
      (req, res) => {
        void kit.login(req, "7");
        res.json("ok");
      },
    ],
  ])("is waited for by the answer, %s", async (_title, how) => {
    work = how;
    const url = await start();
    const cookie = cookieOf(await request(url).post("/data").send({ a: 1 }));
    const answer = await request(url).post("/work").set("Cookie", cookie);
    expect(answer.status).toBe(200);
    expect(await userOf(url, cookieOf(answer))).toBe("7");
    expect(await kit.sessions.list("7")).toHaveLength(1);
  });

  it("so is a logout() that is not waited for", async () => {
    work = (req, res) => {
      void kit.logout(req);
      res.json("ok");
    };
    const url = await start();
    const { cookie } = await signedIn(url, "7");
    const answer = await request(url).post("/work").set("Cookie", cookie).expect(200);
    expect(cookieLine(answer)).toMatch(/1970/);
    expect(await kit.sessions.list("7")).toEqual([]);
  });

  it("is seen by a worker without session(), whatever finds the user", async () => {
    const url = await start({ user: (data) => (data as { who?: string }).who });
    const answer = await request(url).post("/data").send({ who: "7" });
    const worker = makeKit(backend.options());
    if (backend.name === "memory") return; // Which no other process shares.
    const [one] = await worker.sessions.list("7");
    expect(await worker.sessions.end("7", one!.handle)).toBe(true);
    const { body } = await request(url).get("/me").set("Cookie", cookieOf(answer));
    expect(body).toMatchObject({ ended: "revoked" });
  });

  it("at the other stack counts, though our cookie is a stale one", async () => {
    if (backend.name === "memory") return; // There is no other stack.
    const secret = "a secret that both stacks have";
    const stock = await serveStock({ socketPath: backend.server().socketPath, secret });
    const url = await start({ secret, adopt: { prefix: "sess:", cookie: "connect.sid" } });
    const { agent, cookie } = await signedIn(url, "7");
    await agent.post("/logout").expect(204);
    const theirs = await request(stock.url).post("/login").send({ user: "8" });
    const [pair] = String(theirs.headers["set-cookie"]).split(";", 1);
    const answer = await request(url).get("/me").set("Cookie", `${cookie}; ${pair!}`);
    expect(answer.body.user).toBe("8");
    expect(await userOf(url, cookieOf(answer))).toBe("8");
    stock.stop();
  });
});

describe("a plain object in a bare store", () => {
  it("may sign in once a refusal is over", async () => {
    const kit = makeKit();
    const store = kit.sessionStore({ whenFull: "refuse" });
    const put = (id: string, session: object) =>
      new Promise((done) => store.set(id, session as never, done));
    const cookie = { originalMaxAge: null, expires: null };
    const [first, second] = [
      { cookie, userId: "7" },
      { cookie, userId: "7" },
    ];
    expect(await put("one", first)).toBeNull();
    expect(await put("two", second)).toMatchObject({ code: "SESSION_LIMIT" });
    await kit.sessions.endAll("7");
    expect(await put("two", second)).toBeNull();
  });
});
