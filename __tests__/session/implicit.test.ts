import { expect, it } from "@jest/globals";
import express from "express";
import express4 from "express4";
import expressSession from "express-session";
import request from "supertest";
import { describeBackends } from "../support/backends.ts";
import { makeKit, serve } from "../support/kit.ts";
import { createSessionApp } from "../support/session-actions.ts";

describeBackends("a save in which a user appears", (backend) => {
  const start = (options = {}) => createSessionApp(makeKit(backend.options()), options);

  it.each([
    ["session.userId", { userId: "7" }],
    ["a number", { userId: 7 }],
    ["Passport's id", { passport: { user: "7" } }],
    ["Passport's whole user", { passport: { user: { id: 7, name: "Ada" } } }],
    ["Passport's document", { passport: { user: { _id: "7" } } }],
  ])("signs in, and ends the user's other session: %s", async (_what, data) => {
    const url = await serve(start());
    const [first, second] = [request.agent(url), request.agent(url)];
    await first.post("/login").send({ user: "7" });
    await second.post("/set").send(data).expect(200);
    expect((await second.get("/")).body.data).toEqual(data);
    expect((await first.get("/")).body).toMatchObject({ data: {}, ended: "signed-in-elsewhere" });
  });

  it("changes an id that came in by cookie: it may be an attacker's", async () => {
    const app = start();
    const url = await serve(app);
    const browser = request.agent(url);
    const before = await browser.post("/set").send({ cart: 1 });
    const [fixed] = before.headers["set-cookie"] as unknown as string[];
    await browser.post("/set").send({ userId: "7" });
    const after = (await browser.get("/")).body;
    expect(after.data).toEqual({ cart: 1, userId: "7" });
    expect(after.id).not.toBe(before.body.id);
    const attacker = await request(url).get("/").set("Cookie", fixed!.split(";")[0]!);
    expect(attacker.body.data).toEqual({});
  });

  it("after a regenerate, as Passport does it, keeps the fresh id", async () => {
    const url = await serve(start());
    const browser = request.agent(url);
    await browser.post("/set").send({ cart: 1 });
    const { id } = (await browser.post("/regenerate").send({ passport: { user: "7" } })).body;
    expect((await browser.get("/")).body).toMatchObject({ id, data: { passport: { user: "7" } } });
  });

  it("of another user leaves the first one's Set", async () => {
    const url = await serve(start());
    const [browser, other] = [request.agent(url), request.agent(url)];
    await browser.post("/set").send({ userId: "7" });
    await browser.post("/set").send({ userId: "8" });
    await other.post("/login").send({ user: "7" });
    expect((await browser.get("/")).body.data).toEqual({ userId: "8" });
  });

  it("and one in which it disappears signs out", async () => {
    const url = await serve(start());
    const browser = request.agent(url);
    await browser.post("/login").send({ user: "7" });
    await browser.post("/set").send({ userId: null });
    expect((await browser.get("/")).body).toMatchObject({ data: { userId: null }, ended: null });
    if (backend.name === "redis") {
      expect(await backend.server().client.exists("user:7:sessions")).toBe(0);
    }
  });

  it.each([[""], [false], [null]])(
    "and one in which it becomes %j signs out, and is saved",
    async (userId) => {
      const url = await serve(start());
      const browser = request.agent(url);
      await browser.post("/login").send({ user: "7" });
      await browser.post("/set").send({ userId, note: "bye" }).expect(200);
      expect((await browser.get("/")).body.data).toEqual({ userId, note: "bye" });
      if (backend.name !== "redis") return;
      expect(await backend.server().client.exists("user:7:sessions")).toBe(0);
      expect(await backend.server().client.keys("user:*")).toEqual([]);
    },
  );

  it("follows the option `user`, whatever id it answers", async () => {
    const user = (session: Record<string, unknown>) => session["account"] as string;
    const url = await serve(start({ user }));
    const [first, second] = [request.agent(url), request.agent(url)];
    await first.post("/set").send({ account: 5 });
    await second.post("/set").send({ account: "5" });
    expect((await first.get("/")).body.ended).toBe("signed-in-elsewhere");
    const refused = await first.post("/login").send({ user: "5" });
    expect(refused.body.code).toBe("INVALID_OPTION");
  });

  it.each([{ userId: " " }, { userId: "undefined" }, { userId: {} }, { passport: { user: {} } }])(
    "that is none is refused: %j",
    async (data) => {
      const app = start();
      app.post("/save", (req, res, next) => {
        Object.assign(req.session, data);
        req.session.save((error: unknown) => (error ? next(error) : res.end()));
      });
      app.use(((error, _req, res, _next) => {
        res.status(500).json(error.code);
      }) as express.ErrorRequestHandler);
      const answer = await request(app).post("/save");
      expect(answer.body).toMatchObject({ code: "INVALID_USER_ID", status: 500 });
      if (backend.name === "redis")
        expect(await backend.server().client.keys("user:*")).toEqual([]);
    },
  );

  it("too late for a cookie is an error, and ends nobody's session", async () => {
    const kit = makeKit(backend.options());
    const app = createSessionApp(kit);
    const codes: string[] = [];
    app.post("/late/:how", async (req, res) => {
      res.write("begun ");
      const save = new Promise<void>((resolve, reject) => {
        Object.assign(req.session, { userId: "7" });
        req.session.save((error?: Error) => (error ? reject(error) : resolve()));
      });
      const work = req.params.how === "login" ? kit.login(req, "7") : save;
      await work.catch((error: { code: string }) => codes.push(error.code));
      if (req.params.how === "login") await save.catch(() => {});
      delete req.session.userId;
      res.end("done");
    });
    const url = await serve(app);
    const first = request.agent(url);
    await first.post("/login").send({ user: "7" });
    const visitor = request.agent(url);
    await visitor.post("/set").send({ a: 1 });
    await visitor.post("/late/save");
    await request(url).post("/late/save");
    await request(url).post("/late/login");
    expect(codes).toEqual(["SIGN_IN_TOO_LATE", "SIGN_IN_TOO_LATE", "SIGN_IN_TOO_LATE"]);
    expect((await first.get("/")).body.data).toEqual({ userId: "7" });
  });

  it("begun before the header left is in time, for its cookie went with it", async () => {
    const app = start();
    app.post("/stream", (req, res) => {
      Object.assign(req.session, { userId: "7" });
      res.write("begun ");
      res.end("done");
    });
    const browser = request.agent(await serve(app));
    await browser.post("/stream").expect(200);
    expect((await browser.get("/")).body.data).toEqual({ userId: "7" });
  });
});

describeBackends("session()", (backend) => {
  it("hands a request whose session was ended to onEnded", async () => {
    const kit = makeKit(backend.options());
    const app = express();
    app.use(
      kit.session({
        onEnded: (req, res) => {
          res.status(401).json(req.sessionEnded);
        },
      }),
    );
    app.post("/login", async (req, res) => {
      await kit.login(req, "7");
      res.end();
    });
    const url = await serve(app);
    const first = request.agent(url);
    await first.post("/login");
    await request.agent(url).post("/login");
    const answer = await first.post("/login").expect(401);
    expect(answer.body).toEqual({ reason: "signed-in-elsewhere", at: expect.any(Number) });
  });

  it("works under Express 4, and twice on one request", async () => {
    const kit = makeKit(backend.options());
    const app = express4();
    const session = kit.session();
    app.use(session as never, session as never, kit.session() as never);
    app.get("/", (req: express.Request, res: express.Response) => {
      kit.login(req, "7").then(
        () => res.json(req.session.userId),
        () => res.sendStatus(500),
      );
    });
    const answer = await request(app).get("/");
    expect(answer.body).toBe("7");
    expect(answer.headers["set-cookie"]).toHaveLength(1);
  });

  it("leaves out paths that its cookie does not reach", async () => {
    const kit = makeKit(backend.options());
    const app = express().use(kit.session({ cookie: { path: "/in" } }));
    app.use((req, res) => {
      res.json(req.session === undefined);
    });
    expect((await request(app).get("/out")).body).toBe(true);
    expect((await request(app).get("/in")).body).toBe(false);
  });
});

describeBackends("sessionStore() in one's own express-session call", (backend) => {
  it("guards, prolongs, lists and clears", async () => {
    const kit = makeKit(backend.options());
    const store = kit.sessionStore({ idle: "1h", user: (session) => session["who"] as string });
    const app = express();
    app.use(expressSession({ store, secret: "s", resave: false, saveUninitialized: false }));
    app.get("/as/:who", (req, res) => {
      Object.assign(req.session, { who: req.params.who });
      res.end();
    });
    app.get("/", (req, res) => {
      res.json((req.session as { who?: string }).who ?? null);
    });
    const url = await serve(app);
    const [first, second] = [request.agent(url), request.agent(url)];
    await first.get("/as/ada");
    await second.get("/as/ada");
    expect((await first.get("/")).body).toBeNull();
    expect((await second.get("/")).body).toBe("ada");
    const ask = <T>(name: "all" | "length" | "clear" | "ids") =>
      new Promise<T>((resolve, reject) => {
        const method = (store as unknown as Record<string, (callback: unknown) => void>)[name]!;
        method.call(store, (error: unknown, value: T) => (error ? reject(error) : resolve(value)));
      });
    expect(await ask("length")).toBe(1); // A tombstone is no session.
    const [session] = await ask<{ id: string; who: string }[]>("all");
    expect(await ask("ids")).toEqual([session!.id]);
    expect(session!.who).toBe("ada");
    await ask("clear");
    expect(await ask("length")).toBe(0);
    expect((await second.get("/")).body).toBeNull();
  });
});
