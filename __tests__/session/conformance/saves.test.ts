/** When a session is written to the store, and when it is taken out of it. */
import { describe, expect, it } from "@jest/globals";
import { farewell } from "../../support/session-app.ts";
import {
  dataOf,
  describeMakers,
  type Maker,
  type Options,
  type Route,
} from "../../support/session-conformance.ts";

const LAZY: Options = { resave: false, saveUninitialized: false };
const EAGER: Options = { resave: true, saveUninitialized: true };

type Data = ReturnType<typeof dataOf>;

/** What {@link started} stores. */
const DATA = { n: 1, list: [1, 2], deep: { er: { x: 1 } }, text: "ä€😀", none: null };

/** What a request does to that, and what is stored then. */
const CHANGES: readonly [string, (data: Data) => unknown, object][] = [
  ["a new key", (data) => (data["m"] = 2), { ...DATA, m: 2 }],
  ["another value", (data) => (data["n"] = 2), { ...DATA, n: 2 }],
  ["another type", (data) => (data["n"] = "1"), { ...DATA, n: "1" }],
  ["a nested value", (data) => ((data["deep"] as typeof DATA.deep).er.x = 2), deep({ x: 2 })],
  [
    "a nested key",
    (data) => Object.assign((data["deep"] as Data)["er"]!, { y: 3 }),
    deep({ y: 3 }),
  ],
  ["a push", (data) => (data["list"] as number[]).push(3), { ...DATA, list: [1, 2, 3] }],
  ["another order", (data) => (data["list"] = [2, 1]), { ...DATA, list: [2, 1] }],
  ["an emptied array", (data) => ((data["list"] as number[]).length = 0), { ...DATA, list: [] }],
  ["a date", (data) => (data["at"] = new Date(0)), { ...DATA, at: "1970-01-01T00:00:00.000Z" }],
  ["a deleted key", (data) => delete data["n"], without("n")],
  ["a key set to undefined", (data) => (data["n"] = undefined), without("n")],
  ["all keys deleted", clear, {}],
];

/** What leaves the data as it was. */
const NO_CHANGES: readonly [string, (data: Data) => unknown][] = [
  ["nothing", () => {}],
  ["the same value", (data) => (data["n"] = 1)],
  ["an equal object", (data) => (data["deep"] = structuredClone(DATA.deep))],
  ["a change taken back", (data) => ((data["m"] = 1), delete data["m"])],
  ["a push and a pop", (data) => ((data["list"] as number[]).push(3), (data["list"] as []).pop())],
  ["a new key that is undefined", (data) => (data["m"] = undefined)],
  ["a function", (data) => (data["m"] = () => {})],
];

function deep(change: object): object {
  return { ...DATA, deep: { er: { ...DATA.deep.er, ...change } } };
}

function without(name: keyof typeof DATA): object {
  const { [name]: _gone, ...rest } = DATA;
  return rest;
}

function clear(data: Data): void {
  for (const name of Object.keys(data)) if (name !== "cookie") delete data[name];
}

/** A client with {@link DATA} in its session, and a route that does `work` to it. */
async function started(maker: Maker, options: Options, work: (data: Data, req: object) => unknown) {
  const visitor = await maker.start(options, {
    "/start": (req, res) => void res.json(Object.assign(req.session, structuredClone(DATA)).id),
    "/work": (req, res) => {
      work(dataOf(req), req);
      res.json("done");
    },
  });
  const { id } = await visitor.get("/start");
  const before = await maker.writes();
  return { visitor, id: id!, writes: async () => (await maker.writes()) - before };
}

describeMakers("saving", (maker) => {
  describe.each([
    ["resave: false", LAZY],
    ["resave: true", EAGER],
  ])("%s", (_title, options) => {
    it.each(CHANGES)("stores %s", async (_name, change, expected) => {
      const { visitor, id, writes } = await started(maker, options, change);
      await visitor.get("/work");
      expect(await writes()).toBe(1);
      const { cookie, $kit: _mark, ...data } = (await maker.stored(id))!;
      expect(data).toEqual(expected);
      expect(cookie).toMatchObject({ originalMaxAge: null, httpOnly: true, path: "/" });
      expect((await visitor.see()).data).toEqual(expected);
    });

    it.each(NO_CHANGES)("takes for no change: %s", async (_name, work) => {
      const { visitor, writes } = await started(maker, options, work);
      await visitor.get("/work");
      if (options === LAZY) expect(await writes()).toBe(0);
      expect((await visitor.see()).data).toEqual(DATA);
    });
  });

  // The kit does not: the key holds it already, and its expiry has been moved.
  it("resave: true writes what did not change, too", async () => {
    const { visitor, writes } = await started(maker, EAGER, () => {});
    await visitor.get("/work");
    expect(await writes()).toBe(maker.isKit ? 0 : 1);
  });

  // The kit's default is not to save what did not change.
  if (!maker.isKit || maker.hasDefaults) {
    it("where nothing is said of resave", async () => {
      const { visitor, writes } = await started(maker, {}, () => {});
      await visitor.get("/work");
      expect(await writes()).toBe(maker.isKit ? 0 : 1);
    });
  }

  it.each([true, false])(
    "does not forget what another request wrote, resave %p",
    async (resave) => {
      const routes: { inside?: () => Promise<unknown> } = {};
      const visitor = await maker.start(
        { resave, saveUninitialized: false },
        {
          "/slow": async (_req, res) => {
            await routes.inside?.();
            res.end();
          },
        },
      );
      await visitor.get("/set?n=1");
      routes.inside = () => visitor.other(visitor.cookie).get("/set?m=2");
      await visitor.get("/slow");
      // express-session's resave writes what it read over it; a save of the kit keeps what others wrote.
      const isLost = resave && !maker.isKit;
      expect((await visitor.see()).data).toEqual(isLost ? { n: "1" } : { n: "1", m: "2" });
    },
  );

  describe("saveUninitialized", () => {
    it.each([true, false])("%p", async (saveUninitialized) => {
      const visitor = await maker.start({ resave: false, saveUninitialized });
      const { id } = await visitor.get("/see");
      expect(id !== undefined).toBe(saveUninitialized);
      expect(await maker.keys()).toHaveLength(saveUninitialized ? 1 : 0);
      if (saveUninitialized) expect((await visitor.see()).id).toBe(id);
    });

    it("false stores the first change, and one that is taken back not", async () => {
      const route: Route = (req, res) => {
        dataOf(req)["n"] = 1;
        delete dataOf(req)["n"];
        res.end();
      };
      const visitor = await maker.start(LAZY, { "/back": route });
      expect((await visitor.get("/back")).line).toBeUndefined();
      expect(await maker.keys()).toEqual([]);
      expect((await visitor.get("/set?n=1")).line).toBeDefined();
      expect(await maker.keys()).toHaveLength(1);
    });
  });

  describe("unset", () => {
    const UNSETS: readonly [string, (req: { session?: object | null }) => void][] = [
      ["req.session = null", (req) => (req.session = null)],
      ["delete req.session", (req) => void delete req.session],
      ["req.session = undefined", (req) => Object.assign(req, { session: undefined })],
    ];

    it.each(UNSETS)("keep: %s leaves the session as it is stored", async (_title, unset) => {
      for (const options of [LAZY, { ...LAZY, unset: "keep" } as const]) {
        const { visitor, id } = await started(maker, { ...options, rolling: true }, (data, req) => {
          data["n"] = 2;
          unset(req);
        });
        expect((await visitor.get("/work")).line).toBeUndefined();
        expect(await visitor.see()).toEqual({ id, data: DATA });
      }
    });

    it.each(UNSETS)("destroy: %s takes it out of the store", async (_title, unset) => {
      const options: Options = { ...LAZY, unset: "destroy", rolling: true };
      const { visitor, id } = await started(maker, options, (_data, req) => unset(req));
      const reply = await visitor.get("/work");
      expect([reply.text, reply.line]).toEqual(['"done"', farewell(maker)]);
      expect(await maker.keys()).toEqual([]);
      const seen = await visitor.see();
      expect(seen.data).toEqual({});
      expect(seen.id).not.toBe(id);
    });

    it.each(["keep", "destroy"] as const)("%s, of a session that is not stored", async (unset) => {
      const visitor = await maker.start(
        { ...EAGER, unset },
        {
          "/unset": (req, res) => {
            Object.assign(req, { session: null });
            res.json("done");
          },
        },
      );
      const reply = await visitor.get("/unset");
      expect([reply.status, reply.text, reply.line]).toEqual([200, '"done"', undefined]);
      expect(await maker.keys()).toEqual([]);
    });
  });
});
