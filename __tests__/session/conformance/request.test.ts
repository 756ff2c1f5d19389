/** What a request carries: its session's id and object; and where the middleware is mounted. */
import { describe, expect, it } from "@jest/globals";
import type { Request } from "express";
import expressSession from "express-session";
import {
  answering,
  dataOf,
  describeMakers,
  type Layout,
  type Options,
} from "../../support/session-conformance.ts";

const LAZY: Options = { resave: false, saveUninitialized: false };

describeMakers("the id", (maker) => {
  it("is the same everywhere, and stays", async () => {
    const visitor = await maker.start(
      LAZY,
      answering({ "/ids": (r) => [r.sessionID, r.session.id] }),
    );
    const { id } = await visitor.get("/set?n=1");
    expect(await visitor.json("/ids")).toEqual([id, id]);
    expect(await visitor.json("/ids")).toEqual([id, id]);
  });

  it("is another one for each client, without a genid", async () => {
    const visitor = await maker.start(LAZY);
    const replies = await Promise.all(
      Array.from({ length: 20 }, () => visitor.other().get("/set?n=1")),
    );
    expect(new Set(replies.map((reply) => reply.id)).size).toBe(20);
    expect(await maker.keys()).toHaveLength(20);
  });

  it("is what genid makes of the request, once for each new session", async () => {
    const seen: string[] = [];
    const genid = (req: Request) => {
      seen.push(req.originalUrl);
      return `id-${String(req.headers["x-id"])}-${seen.length}`;
    };
    const visitor = await maker.start({ ...LAZY, genid });
    const { id } = await visitor.get("/set?n=1", { headers: { "X-Id": "a" } });
    expect(id).toBe("id-a-1");
    expect(await visitor.see()).toEqual({ id, data: { n: "1" } });
    expect(seen).toEqual(["/set?n=1"]);
  });

  it.each([
    "with space",
    "dots.and.dots",
    "a:b",
    "a;b=c,d",
    "ünï©ode€",
    "%41",
    "a/b*[c]?",
    '"quoted"',
  ])("may be any text: %s", async (id) => {
    const visitor = await maker.start({ ...LAZY, genid: () => id });
    expect((await visitor.get("/set?n=1")).id).toBe(id);
    expect(await visitor.see()).toEqual({ id, data: { n: "1" } });
    expect(await maker.keys()).toHaveLength(1);
  });
});

describeMakers("the session object", (maker) => {
  it("shows its data and its cookie, and no more", async () => {
    const visitor = await maker.start(
      LAZY,
      answering({
        "/shape": (req) => {
          const inherited: string[] = [];
          for (const name in req.session) inherited.push(name);
          const { session } = req;
          return [Object.keys(session), inherited, JSON.parse(JSON.stringify(session))];
        },
        "/class": (req) => [
          req.session instanceof expressSession.Session,
          req.session.cookie instanceof expressSession.Cookie,
          req.sessionStore instanceof expressSession.Store,
        ],
      }),
    );
    await visitor.get("/set?b=1&a=2");
    const [own, all, json] = (await visitor.json("/shape")) as [string[], string[], object];
    expect(own.toSorted()).toEqual(["a", "b", "cookie"]);
    expect(all.toSorted()).toEqual(["a", "b", "cookie"]);
    expect(json).toMatchObject({ a: "2", b: "1", cookie: { path: "/", httpOnly: true } });
    expect(json).toHaveProperty("cookie.originalMaxAge", null);
    expect(await visitor.json("/class")).toEqual([true, true, true]);
    expect(await visitor.other().json("/shape")).toMatchObject([["cookie"], ["cookie"], {}]);
  });

  it("keeps its methods and its id, whatever stands in the store", async () => {
    const methods = ["touch", "save", "reload", "destroy", "regenerate", "resetMaxAge"];
    const visitor = await maker.start(
      LAZY,
      answering({
        "/types": (req) => [
          methods.filter((name) => typeof dataOf(req)[name] === "function"),
          req.session.id,
          dataOf(req)["n"],
        ],
      }),
    );
    const { id } = await visitor.get("/set?n=1");
    const [key] = await maker.keys();
    const data = { ...(await maker.stored(id!)), touch: 1, save: "x", id: "y", reload: null };
    await maker.server().client.set(key!, JSON.stringify(data));
    expect(await visitor.json("/types")).toEqual([methods, id, "1"]);
  });
});

describeMakers("the middleware", (maker) => {
  it("mounted twice is one", async () => {
    const visitor = await maker.start({ ...LAZY, rolling: true }, {}, { isMountedTwice: true });
    for (const n of ["1", "2"]) {
      const { lines } = await visitor.get(`/set?n=${n}`);
      expect(lines).toHaveLength(1);
    }
    expect((await visitor.see()).data).toEqual({ n: "2" });
    expect(await maker.keys()).toHaveLength(1);
  });

  it.each<[Options, Layout]>([
    [LAZY, { at: "/app" }],
    [{ ...LAZY, cookie: { path: "/app" } }, { at: "/app" }],
    [{ ...LAZY, cookie: { path: "/app" } }, {}],
  ])("%j on %j is for its part of the app", async (options, layout) => {
    const visitor = await maker.start(
      options,
      answering({
        "/app/set": (req) => void Object.assign(req.session, req.query),
        "/app/see": (req) => dataOf(req)["n"],
        "/outside": (req) => typeof dataOf(req),
      }),
      layout,
    );
    expect((await visitor.get("/app/set?n=1")).id).toBeDefined();
    expect(await visitor.json("/app/see")).toBe("1");
    expect(await visitor.json("/outside")).toBe("undefined");
  });

  describe.each<[string, object | undefined]>([
    ["no req.cookies", undefined],
    ["an empty req.cookies", {}],
    ["another req.cookies", { other: "s:1.2", [maker.cookieName]: "s:forged.signature" }],
  ])("with %s", (_title, cookies) => {
    it("reads the header itself", async () => {
      const parse: Layout["before"] = [
        (req, _res, next) => {
          if (cookies) Object.assign(req, { cookies });
          next();
        },
      ];
      const visitor = await maker.start(LAZY, {}, { before: parse });
      const { id } = await visitor.get("/set?n=1");
      expect(await visitor.see()).toEqual({ id, data: { n: "1" } });
      expect((await visitor.other().see()).data).toEqual({});
    });
  });
});
