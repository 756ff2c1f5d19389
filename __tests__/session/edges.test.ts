import { describe, expect, it } from "@jest/globals";
import express, { type ErrorRequestHandler } from "express";
import type { KitEvents, SessionOptions } from "express-redis-kit";
import request from "supertest";
import { describeBackends } from "../support/backends.ts";
import { makeKit, serve } from "../support/kit.ts";
import { startRedis } from "../support/redis-server.ts";
import { createSessionApp } from "../support/session-actions.ts";

function cookiesOf(response: request.Response): string[] {
  return (response.headers["set-cookie"] as unknown as string[] | undefined) ?? [];
}

describeBackends(
  "a sign-in whose cookie cannot reach the client ends nobody's session",
  (backend) => {
    /** Signs 7 in elsewhere, lets `act` try, and looks whether 7 still is. */
    const start = async (options: SessionOptions) => {
      const kit = makeKit(backend.options());
      const app = createSessionApp(kit, options);
      app.set("trust proxy", true);
      return { kit, app, url: await serve(app) };
    };

    it("for a request outside of the cookie's path", async () => {
      const { kit, app, url } = await start({ cookie: { path: "/app" } });
      app.get("/app/in", async (req, res) => {
        await kit.login(req, "7");
        res.end();
      });
      app.get("/app/me", (req, res) => {
        res.json(req.session.userId ?? null);
      });
      const first = request.agent(url);
      await first.get("/app/in").expect(200);
      const answer = await request(url).post("/login").send({ user: "7" });
      expect(answer.status).toBe(500);
      expect((await first.get("/app/me")).body).toBe("7");
    });

    it("for a user that appears over plain http, where the cookie is Secure", async () => {
      const { app, url } = await start({ cookie: { secure: true } });
      const codes: string[] = [];
      app.post("/save", (req, res) => {
        Object.assign(req.session, { userId: "7" });
        req.session.save((error?: { code: string }) => {
          codes.push(error?.code ?? "saved");
          delete req.session.userId;
          res.end();
        });
      });
      const first = request.agent(url);
      const secure = { "X-Forwarded-Proto": "https" };
      const login = await first.post("/login").set(secure).send({ user: "7" });
      const cookie = cookiesOf(login)[0]!.split(";")[0]!;
      await request(url).post("/save");
      expect(codes).toEqual(["COOKIE_NOT_SENDABLE"]);
      const me = await request(url)
        .get("/")
        .set({ ...secure, Cookie: cookie });
      expect(me.body.data.userId).toBe("7");
    });

    it("judged by the session's own cookie, which the application may have changed", async () => {
      const { app, url } = await start({ cookie: { secure: true } });
      const codes: string[] = [];
      app.post("/own/:secure", (req, res) => {
        req.session.cookie.secure = req.params.secure === "secure";
        Object.assign(req.session, { userId: "9" });
        req.session.save((error?: { code: string }) => {
          codes.push(error?.code ?? "saved");
          res.end();
        });
      });
      await request(url).post("/own/secure");
      const plain = await request(url).post("/own/plain");
      expect(codes).toEqual(["COOKIE_NOT_SENDABLE", "saved"]);
      expect(cookiesOf(plain)).toHaveLength(1);
    });

    it("for a loaded session whose header, cookie and all, has left", async () => {
      const { app, url } = await start({ rolling: true });
      const codes: string[] = [];
      app.post("/late", (req, res) => {
        res.write("begun ");
        Object.assign(req.session, { userId: "7" });
        req.session.save((error?: { code: string }) => {
          codes.push(error?.code ?? "saved");
          delete req.session.userId;
          res.end();
        });
      });
      const [first, visitor] = [request.agent(url), request.agent(url)];
      await first.post("/login").send({ user: "7" });
      await visitor.post("/set").send({ a: 1 });
      await visitor.post("/late");
      expect(codes).toEqual(["SIGN_IN_TOO_LATE"]);
      expect((await first.get("/")).body.data.userId).toBe("7");
    });
  },
);

describeBackends("what an application may do with req.session", (backend) => {
  it("set it to null, and clear the cookie itself", async () => {
    const app = createSessionApp(makeKit(backend.options()));
    app.post("/drop", (req, res) => {
      (req as { session: unknown }).session = null;
      res.clearCookie("sid").json("dropped");
    });
    app.get("/clear", (_req, res) => {
      res.clearCookie("sid").json("cleared");
    });
    const browser = request.agent(app);
    await browser.post("/set").send({ a: 1 });
    const dropped = await browser.post("/drop").expect(200);
    expect(cookiesOf(dropped)).toEqual([expect.stringMatching(/^sid=;/)]);
    const forged = await request(app).get("/clear").set("Cookie", "sid=s%3Aforged.forged");
    expect(cookiesOf(forged)).toEqual([expect.stringMatching(/^sid=;/)]);
  });

  it("ask the store for another session, without losing its own cookie", async () => {
    const app = createSessionApp(makeKit(backend.options()));
    app.get("/ask", (req, res) => {
      req.sessionStore.get("nope", () => res.json("asked"));
    });
    expect(cookiesOf(await request(app).get("/ask"))).toEqual([]);
  });

  it("regenerate it and put everything back: it lives as long as any other", async () => {
    const app = createSessionApp(makeKit(backend.options()));
    const browser = request.agent(await serve(app));
    await browser.post("/login").send({ user: "7" });
    const { id } = (await browser.post("/regenerate").send({ userId: "7" })).body;
    if (backend.name !== "redis") return;
    expect(await backend.server().client.pttl(`session:${id}`)).toBeGreaterThan(80_000_000);
  });

  it("log out while another request changes the id: it is told by an event", async () => {
    const kit = makeKit(backend.options());
    const reports: KitEvents["redis-error"][] = [];
    kit.on("redis-error", (report) => void reports.push(report));
    const app = createSessionApp(kit);
    app.post("/both", async (req, res) => {
      const { session, sessionID } = req;
      await new Promise((resolve) => session.regenerate(resolve));
      Object.assign(req, { session, sessionID });
      await kit.logout(req);
      res.end();
    });
    const browser = request.agent(await serve(app));
    await browser.post("/login").send({ user: "7" });
    await browser.post("/both").expect(200);
    expect(reports.map(({ error }) => error.code)).toEqual(["SESSION_ENDED"]);
  });
});

describe("session()", () => {
  it.each<[SessionOptions["cookie"], string]>([
    [{ maxage: 5 } as never, "UNKNOWN_OPTION"],
    [{ sameSite: "laxx" as never }, "INVALID_COOKIE"],
    [{ httpOnly: "no" as never }, "INVALID_OPTION"],
    [{ secure: "yes" as never }, "INVALID_OPTION"],
    [{ domain: "a b" }, "INVALID_COOKIE"],
    [{ path: "a;b" }, "INVALID_COOKIE"],
    [{ maxAge: 90 * 86_400_000 }, "INVALID_OPTION"],
  ])("refuses the cookie options %j at construction: %s", (cookie, code) => {
    expect(() => makeKit().session({ cookie })).toThrow(expect.objectContaining({ code }));
  });

  it("of several cookie paths serves each request by the one that matches", async () => {
    const kit = makeKit();
    const app = express();
    app.use(kit.session({ name: "a", cookie: { path: "/admin" } }));
    app.use(kit.session({ name: "b", cookie: { path: "/shop" } }));
    app.get("/:where/in", async (req, res) => {
      await kit.login(req, req.params.where);
      res.end();
    });
    app.get("/:where/me", (req, res) => {
      res.json(req.session.userId ?? null);
    });
    const browser = request.agent(await serve(app));
    for (const where of ["admin", "shop"]) {
      const login = await browser.get(`/${where}/in`).expect(200);
      expect(cookiesOf(login)).toHaveLength(1);
      expect((await browser.get(`/${where}/me`)).body).toBe(where);
    }
  });

  it("of a second kit on one request says that it does nothing", async () => {
    const lines: string[] = [];
    const log = { info: () => {}, error: () => {}, warn: (line: string) => void lines.push(line) };
    const kits = [0, 1].map(() =>
      makeKit({ redis: false, logger: log }, { NODE_ENV: "development" }),
    );
    const app = express().use(kits[0]!.session(), kits[1]!.session());
    app.get("/", (_req, res) => {
      res.end();
    });
    await request(app).get("/");
    await request(app).get("/");
    expect(lines.filter((line) => line.includes("two kits"))).toHaveLength(1);
  });

  it("passes the error of a save after the response on as what it is", async () => {
    const codes: unknown[] = [];
    const app = createSessionApp(makeKit());
    app.post("/anonymous", (req, res) => {
      Object.assign(req.session, { userId: {} });
      res.end();
    });
    app.use(((error, _req, _res, next) => {
      codes.push(error.code);
      next(error);
    }) as ErrorRequestHandler);
    const browser = request.agent(app);
    await browser.post("/set").send({ a: 1 });
    await browser.post("/anonymous").catch(() => {});
    expect(codes).not.toContain("SESSION_UNAVAILABLE");
  });
});

describe("sessionStore()", () => {
  it("lists what it can read, and leaves foreign keys alone", async () => {
    const redis = await startRedis();
    const kit = makeKit({ redis: redis.url });
    const browser = request.agent(await serve(createSessionApp(kit)));
    await browser.post("/set").send({ a: 1 });
    await redis.client.set("session:100%", '{"cookie":{}}', "PX", 60_000);
    await redis.client.hset("session:hash", "a", 1);
    const store = kit.sessionStore();
    const all = await new Promise<{ id: string }[]>((resolve, reject) => {
      store.all!((error: Error | null, sessions) =>
        error ? reject(error) : resolve(sessions as unknown as { id: string }[]),
      );
    });
    expect(all.map(({ id }) => id)).toContain("100%");
    expect(all).toHaveLength(2);
  });
});
