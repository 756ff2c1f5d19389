/** A session that is stored, or is no more, when the app says so: save() and destroy(). */
import { describe, expect, it } from "@jest/globals";
import type { Request } from "express";
import { until } from "../../support/redis-server.ts";
import { farewell } from "../../support/session-app.ts";
import {
  answering,
  describeMakers,
  type Options,
  outcome,
  said,
} from "../../support/session-conformance.ts";

const LAZY: Options = { resave: false, saveUninitialized: false };

describeMakers("destroy()", (maker) => {
  it("takes the session from the request, the store, and the response's cookie", async () => {
    const visitor = await maker.start(
      { ...LAZY, rolling: true },
      answering({
        "/destroy": async (req) => {
          const { session } = req;
          let result: unknown;
          await outcome((callback) => (result = session.destroy(callback)));
          return [result === session, "session" in req, (await maker.keys()).length];
        },
      }),
    );
    const { id } = await visitor.get("/set?n=1");
    const reply = await visitor.get("/destroy");
    expect(JSON.parse(reply.text)).toEqual([true, false, 0]);
    expect(reply.line).toEqual(farewell(maker));
    expect(await maker.keys()).toEqual([]);
    const next = await visitor.get("/set?n=2");
    expect(next.id).toBeDefined();
    expect(next.id).not.toBe(id);
    expect((await visitor.see()).data).toEqual({ n: "2" });
  });

  it("of a new session", async () => {
    const visitor = await maker.start(
      { resave: true, saveUninitialized: true },
      answering({
        "/destroy": async (req) => {
          await outcome((callback) => req.session.destroy(callback));
        },
      }),
    );
    const { status, line } = await visitor.get("/destroy");
    expect([status, line]).toEqual([200, undefined]);
    expect(await maker.keys()).toEqual([]);
  });

  it("without a callback", async () => {
    const visitor = await maker.start(
      LAZY,
      answering({
        "/destroy": (req) => {
          (req.session as unknown as { destroy(): void }).destroy();
        },
      }),
    );
    await visitor.get("/set?n=1");
    expect((await visitor.get("/destroy")).status).toBe(200);
    await until(async () => (await maker.keys()).length === 0, "the session is gone");
  });

  it("then save()", async () => {
    const visitor = await maker.start(
      LAZY,
      answering({
        "/both": async (req) => {
          const { session } = req;
          await outcome((callback) => session.destroy(callback));
          return said(outcome((callback) => session.save(callback)));
        },
      }),
    );
    await visitor.get("/set?n=1");
    expect(await visitor.json("/both")).toBe("ok");
    // A save of the kit never revives a session that was destroyed.
    expect((await visitor.see()).data).toEqual(maker.isKit ? {} : { n: "1" });
  });
});

describeMakers("save()", (maker) => {
  const stored = async (req: Request) => {
    const { cookie: _cookie, $kit: _mark, ...data } = (await maker.stored(req.sessionID)) ?? {};
    return data;
  };

  const SAVES: readonly [string, (req: Request) => Promise<unknown>, object, number[]][] = [
    ["once", (req) => save(req, { a: 1 }), { a: 1 }, [1]],
    ["twice", async (req) => (await save(req, { a: 1 }), save(req, { b: 2 })), { a: 1, b: 2 }, [2]],
    [
      "then a change",
      (req) => save(req, { a: 1 }).then(() => change(req)),
      { a: 1, later: 1 },
      [2],
    ],
    [
      "twice at once",
      (req) => Promise.all([save(req, { a: 1 }), save(req, { b: 2 })]),
      { a: 1, b: 2 },
      // The later one's data may go with the first.
      [1, 2],
    ],
  ];
  const change = (req: Request) => void Object.assign(req.session, { later: 1 });
  const save = async (req: Request, data: object) => {
    Object.assign(req.session, data);
    await outcome((callback) => req.session.save(callback));
  };

  describe.each([
    ["a new session", false],
    ["a stored one", true],
  ])("of %s", (_title, isStored) => {
    it.each(SAVES)("%s", async (_name, work, expected, writes) => {
      const visitor = await maker.start(LAZY, answering({ "/save": work }));
      if (isStored) await visitor.get("/set?n=1");
      const before = await maker.writes();
      const { status } = await visitor.get("/save");
      expect(status).toBe(200);
      const all = isStored ? { n: "1", ...expected } : expected;
      expect((await visitor.see()).data).toEqual(all);
      expect(writes).toContain((await maker.writes()) - before);
    });

    it("is there when the callback runs", async () => {
      const visitor = await maker.start(
        LAZY,
        answering({
          "/save": async (req) => {
            Object.assign(req.session, { a: 1 });
            await outcome((callback) => req.session.save(callback));
            return stored(req);
          },
        }),
      );
      if (isStored) await visitor.get("/set?n=1");
      const data = isStored ? { n: "1", a: 1 } : { a: 1 };
      expect(await visitor.json("/save")).toEqual(data);
    });

    it("without a callback", async () => {
      const route = answering({
        "/save": (req) => void Object.assign(req.session, { a: 1 }).save(),
      });
      const visitor = await maker.start(LAZY, route);
      if (isStored) await visitor.get("/set?n=1");
      await visitor.get("/save");
      expect((await visitor.see()).data).toMatchObject({ a: 1 });
    });
  });
});
