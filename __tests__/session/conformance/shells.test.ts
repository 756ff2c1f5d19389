/** The core of it under Express 5, Express 4, connect and node:http; errors, and requests at the same time. */
import { describe, expect, it } from "@jest/globals";
import type { IncomingMessage } from "node:http";
import type { Request } from "express";
import type { Middleware } from "express-redis-kit";
import { serve } from "../../support/kit.ts";
import { type Handler, SHELLS } from "../../support/shells.ts";
import { farewell } from "../../support/session-app.ts";
import {
  attributesOf,
  dataOf,
  describeMakers,
  type Options,
  outcome,
  type Route,
  Visitor,
} from "../../support/session-conformance.ts";

const LAZY: Options = { resave: false, saveUninitialized: false };

/** What a request's path asks for, with nothing but node:http. */
const ACTIONS: Record<string, (req: Request) => unknown> = {
  "/see": (req) => {
    const { cookie: _cookie, ...data } = dataOf(req);
    return { id: req.sessionID, data };
  },
  "/set": (req) => Object.assign(req.session, { n: 1 }) && {},
  "/regenerate": async (req) => {
    await outcome((done) => req.session.regenerate(done));
    Object.assign(req.session, { n: 2 });
  },
  "/destroy": (req) => outcome((done) => req.session.destroy(done)),
  "/unset": (req) => void Object.assign(req, { session: null }),
  "/none": (req) => typeof dataOf(req),
};

const handle: Handler = async (req, res) => {
  const work = ACTIONS[(req.url ?? "/").split("?", 1)[0]!];
  const body = JSON.stringify((await work?.(req as Request)) ?? null);
  res.setHeader("Content-Type", "application/json");
  res.write(body.slice(0, 1));
  res.end(body.slice(1));
};

/** Fails as the query says, after it has changed the session. */
const fail: Route = (req, res, next) => {
  Object.assign(req.session, { n: 1 });
  const error = new Error("on purpose");
  if (req.query["how"] === "next") return next(error);
  if (req.query["how"] === "late") res.write("text");
  throw error;
};

describeMakers("a session", (maker) => {
  describe.each(SHELLS)("under $name", ({ listener }) => {
    const start = async (options: Options = LAZY, before: Middleware[] = []) =>
      new Visitor(
        await serve(listener([...before, maker.make(options)], handle)),
        maker.cookieName,
      );

    it("is made, kept, made anew, and destroyed", async () => {
      const visitor = await start();
      expect((await visitor.see()).data).toEqual({});
      const { id, text } = await visitor.get("/set");
      expect([typeof id, text]).toEqual(["string", "{}"]);
      expect(await visitor.see()).toEqual({ id, data: { n: 1 } });
      const renewed = await visitor.get("/regenerate");
      expect(renewed.id).not.toBe(id);
      expect(await visitor.see()).toEqual({ id: renewed.id, data: { n: 2 } });
      expect((await visitor.get("/destroy")).line).toEqual(farewell(maker));
      expect(await maker.keys()).toEqual([]);
      expect((await visitor.see()).data).toEqual({});
    });

    it("is not stored while it is empty, and is where that is asked for", async () => {
      const visitor = await start();
      expect((await visitor.get("/see")).line).toBeUndefined();
      const eager = await start({ resave: false, saveUninitialized: true });
      const { id } = await eager.get("/see");
      expect(await eager.see()).toEqual({ id, data: {} });
      expect(await maker.keys()).toHaveLength(1);
    });

    it("is unset", async () => {
      const visitor = await start({ ...LAZY, unset: "destroy" });
      await visitor.get("/set");
      await visitor.get("/unset");
      expect(await maker.keys()).toEqual([]);
    });

    it("is not there outside of its path", async () => {
      const visitor = await start({ ...LAZY, cookie: { path: "/set" } });
      expect((await visitor.get("/set")).id).toBeDefined();
      expect(await visitor.json("/none")).toBe("undefined");
    });

    it.each([
      ["https", true],
      ["http", false],
      [undefined, false],
    ])("behind a proxy that says %p is secure: %p", async (proto, isSecure) => {
      const visitor = await start({ ...LAZY, proxy: true, cookie: { secure: "auto" } });
      const headers = proto === undefined ? {} : { "X-Forwarded-Proto": proto };
      const { line } = await visitor.get("/set", { headers });
      expect(attributesOf(line).includes("Secure")).toBe(isSecure);
    });

    it("is that of a middleware before it, if there is one", async () => {
      const own: Middleware = (req, _res, next) => {
        Object.assign(req, { session: { own: 1 } });
        next();
      };
      const visitor = await start(LAZY, [own]);
      expect((await visitor.see()).data).toEqual({ own: 1 });
      expect((await visitor.get("/set")).line).toBeUndefined();
      expect(await maker.keys()).toEqual([]);
    });
  });

  it.each(["next", "throw"])("is stored with an error's answer: %s", async (how) => {
    const visitor = await maker.start(LAZY, { "/fail": fail });
    const reply = await visitor.get(`/fail?how=${how}`);
    expect([reply.status, reply.text]).toEqual([500, "Error: on purpose"]);
    expect(await visitor.see()).toEqual({ id: reply.id, data: { n: 1 } });
  });

  it("does not keep an answer alive that has failed half-way", async () => {
    const visitor = await maker.start(LAZY, { "/fail": fail });
    await expect(visitor.get("/fail?how=late")).rejects.toThrow(/aborted|hang up/);
    expect((await visitor.get("/set?n=2")).id).toBeDefined();
  });

  it("is each request's own, where a new client sends several at once", async () => {
    const visitor = await maker.start(LAZY);
    const replies = await Promise.all(
      [1, 2, 3, 4, 5].map(async (n) => {
        const other = visitor.other();
        await other.get(`/set?n=${n}`);
        return other.see();
      }),
    );
    expect(new Set(replies.map(({ id }) => id)).size).toBe(5);
    expect(replies.map(({ data }) => data["n"])).toEqual(["1", "2", "3", "4", "5"]);
  });

  it("is one, where its client sends several at once", async () => {
    const visitor = await maker.start(LAZY);
    const { id } = await visitor.get("/set?n=1");
    const all = await Promise.all(Array.from({ length: 10 }, () => visitor.see()));
    expect(all).toEqual(Array.from({ length: 10 }, () => ({ id, data: { n: "1" } })));
  });

  it("is not another's on a connection that both use", async () => {
    const ids: string[] = [];
    const visitor = await maker.start(LAZY, {
      "/who": (req: IncomingMessage & { sessionID?: string }, res) => {
        ids.push(req.sessionID!);
        res.json(dataOf(req));
      },
    });
    const [a, b] = [visitor.other(), visitor.other()];
    await a.get("/set?n=a");
    await b.get("/set?n=b");
    for (const [one, n] of [
      [a, "a"],
      [b, "b"],
      [visitor.other(), undefined],
    ] as const) {
      const headers = one.headers();
      const reply = (await (await fetch(`${visitor.url}/who`, { headers })).json()) as object;
      expect((reply as { n?: string }).n).toBe(n);
    }
    expect(new Set(ids).size).toBe(3);
  });
});
