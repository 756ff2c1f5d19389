/** Another session, or the same one anew: regenerate() and reload(). */
import { expect, it } from "@jest/globals";
import {
  answering,
  dataOf,
  describeMakers,
  type Options,
  outcome,
  said,
} from "../../support/session-conformance.ts";

const LAZY: Options = { resave: false, saveUninitialized: false };

describeMakers("regenerate()", (maker) => {
  const routes = answering({
    "/new": async (req) => {
      const { session: old, sessionID: oldId } = req;
      let result: unknown;
      await outcome((callback) => (result = old.regenerate(callback)));
      const seen = { ...dataOf(req), cookie: undefined };
      Object.assign(req.session, req.query);
      return [
        result === old,
        req.session !== old,
        req.sessionID !== oldId,
        req.session.id === req.sessionID,
        old.id === oldId,
        seen,
      ];
    },
  });

  it("gives another id and no data; the old session is gone", async () => {
    const visitor = await maker.start(LAZY, routes);
    const { id: old, ...first } = await visitor.get("/set?n=1");
    const oldCookie = visitor.cookie;
    const reply = await visitor.get("/new?m=2");
    expect(JSON.parse(reply.text)).toEqual([true, true, true, true, true, {}]);
    expect(first.status).toBe(200);
    expect(reply.id).toBeDefined();
    expect(reply.id).not.toBe(old);
    expect(await visitor.see()).toEqual({ id: reply.id, data: { m: "2" } });
    expect((await visitor.other(oldCookie).see()).data).toEqual({});
    expect(await maker.keys()).toHaveLength(1);
  });

  it("with the same data as before", async () => {
    const visitor = await maker.start(LAZY, routes);
    const { id: old } = await visitor.get("/set?n=1");
    const { id } = await visitor.get("/new?n=1");
    expect(id).not.toBe(old);
    expect(await visitor.see()).toEqual({ id, data: { n: "1" } });
    expect(await maker.keys()).toHaveLength(1);
  });

  it("of a new session", async () => {
    const visitor = await maker.start(LAZY, routes);
    const reply = await visitor.get("/new?m=2");
    expect(await visitor.see()).toEqual({ id: reply.id, data: { m: "2" } });
    expect(await maker.keys()).toHaveLength(1);
  });

  it("without new data", async () => {
    const visitor = await maker.start(LAZY, routes);
    await visitor.get("/set?n=1");
    const { id } = await visitor.get("/new");
    // express-session stores it for its id is another; to the kit it is empty, so there is neither key nor cookie.
    expect(id !== undefined).toBe(!maker.isKit);
    expect(await maker.keys()).toHaveLength(maker.isKit ? 0 : 1);
  });

  it("without new data, saved where empty ones are", async () => {
    const visitor = await maker.start({ resave: false, saveUninitialized: true }, routes);
    const { id: old } = await visitor.get("/set?n=1");
    const { id } = await visitor.get("/new");
    expect(id).toBeDefined();
    expect(id).not.toBe(old);
    expect(await visitor.see()).toEqual({ id, data: {} });
  });

  it("through the store, as the session does it", async () => {
    const visitor = await maker.start(
      LAZY,
      answering({
        "/store": async (req) => {
          await outcome((callback) => req.sessionStore.regenerate(req, callback));
          Object.assign(req.session, { m: 2 });
        },
      }),
    );
    const { id: old } = await visitor.get("/set?n=1");
    const { id } = await visitor.get("/store");
    expect(id).not.toBe(old);
    expect((await visitor.see()).data).toEqual({ m: 2 });
  });
});

describeMakers("reload()", (maker) => {
  it("sees what another request wrote, and drops what this one changed", async () => {
    const inside: { work?: () => Promise<unknown> } = {};
    const visitor = await maker.start(
      LAZY,
      answering({
        "/reload": async (req) => {
          const old = req.session;
          Object.assign(old, { mine: 1 });
          await inside.work?.();
          await outcome((callback) => old.reload(callback));
          const { cookie: _cookie, ...data } = dataOf(req);
          return [req.session !== old, req.session.id === old.id, data];
        },
      }),
    );
    const { id } = await visitor.get("/set?n=1");
    inside.work = () => visitor.other(visitor.cookie).get("/set?m=2");
    const reply = await visitor.get("/reload");
    expect(JSON.parse(reply.text)).toEqual([true, true, { n: "1", m: "2" }]);
    expect(await visitor.see()).toEqual({ id, data: { n: "1", m: "2" } });
  });

  it("of a session that was changed afterwards, or saved", async () => {
    const visitor = await maker.start(
      LAZY,
      answering({
        "/end": async (req) => {
          await outcome((callback) => req.session.reload(callback));
          Object.assign(req.session, { ended: 1 });
        },
        "/save": async (req) => {
          await outcome((callback) => req.session.reload(callback));
          Object.assign(req.session, { saved: 1 });
          await outcome((callback) => req.session.save(callback));
        },
      }),
    );
    await visitor.get("/set?n=1");
    await visitor.get("/end");
    const before = await maker.writes();
    await visitor.get("/save");
    expect((await maker.writes()) - before).toBe(1);
    expect((await visitor.see()).data).toEqual({ n: "1", ended: 1, saved: 1 });
  });

  it("of a session that is gone is an error", async () => {
    const visitor = await maker.start(
      LAZY,
      answering({
        "/gone": async (req) => {
          const old = req.session;
          await outcome((callback) => req.sessionStore.destroy(req.sessionID, callback));
          const text = await said(outcome((callback) => old.reload(callback)));
          return [text, req.session === old];
        },
        "/new": (req) => said(outcome((callback) => req.session.reload(callback))),
      }),
    );
    await visitor.get("/set?n=1");
    expect(await visitor.json("/gone")).toEqual(["failed to load session", true]);
    expect(await visitor.other().json("/new")).toBe("failed to load session");
  });
});
