/** What an app does with `req.sessionStore`. */
import { expect, it } from "@jest/globals";
import type { Request } from "express";
import expressSession, { type SessionData } from "express-session";
import {
  answering,
  dataOf,
  describeMakers,
  type Options,
  outcome,
} from "../../support/session-conformance.ts";

const LAZY: Options = { resave: false, saveUninitialized: false };

/** A session that an app puts into the store by hand. */
const FOREIGN = { cookie: { originalMaxAge: null, path: "/", httpOnly: true }, n: 7 } as object;

/** The store's optional methods, which both stores have. */
interface WholeStore {
  get(id: string, callback: (error?: unknown, value?: SessionData | null) => void): void;
  set(id: string, session: object, callback: (error?: unknown) => void): void;
  destroy(id: string, callback: (error?: unknown) => void): void;
  touch(id: string, session: object, callback: (error?: unknown) => void): void;
  load(id: string, callback: (error?: unknown, session?: SessionData) => void): void;
  all(callback: (error?: unknown, all?: (SessionData & { id: string })[]) => void): void;
  ids(callback: (error?: unknown, ids?: string[]) => void): void;
  length(callback: (error?: unknown, length?: number) => void): void;
  clear(callback: (error?: unknown) => void): void;
}

const storeOf = (req: Request) => req.sessionStore as unknown as WholeStore;

describeMakers("req.sessionStore", (maker) => {
  it("gets, touches, loads and destroys the session of a request", async () => {
    const visitor = await maker.start(
      LAZY,
      answering({
        "/store": async (req) => {
          const store = storeOf(req);
          const id = req.sessionID;
          const got = await outcome<SessionData | null>((done) => store.get(id, done));
          const loaded = await outcome<SessionData>((done) => store.load(id, done));
          await outcome((done) => store.touch(id, req.session, done));
          await outcome((done) => store.destroy(id, done));
          const after = await outcome((done) => store.get(id, done));
          const isSession = loaded instanceof expressSession.Session;
          return [
            dataOf({ session: got })["n"],
            dataOf({ session: loaded })["n"],
            isSession,
            after ?? null,
          ];
        },
      }),
    );
    await visitor.get("/set?n=1");
    expect(await visitor.json("/store")).toEqual(["1", "1", true, null]);
    expect(await maker.keys()).toEqual([]);
  });

  it("answers nothing for an unknown id, and no error", async () => {
    const visitor = await maker.start(
      LAZY,
      answering({
        "/unknown": async (req) => {
          const store = storeOf(req);
          await outcome((done) => store.destroy("unknown", done));
          const got = await outcome((done) => store.get("unknown", done));
          const loaded = await outcome((done) => store.load("unknown", done));
          return [got ?? null, loaded ?? null];
        },
      }),
    );
    expect(await visitor.json("/unknown")).toEqual([null, null]);
  });

  it("sets a session of any id, and sets it again", async () => {
    const visitor = await maker.start(
      LAZY,
      answering({
        "/set-other": async (req) => {
          const store = storeOf(req);
          await outcome((done) => store.set("other", FOREIGN, done));
          await outcome((done) => store.set("other", { ...FOREIGN, n: 8 }, done));
          return outcome((done) => store.get("other", done));
        },
      }),
    );
    expect(await visitor.json("/set-other")).toMatchObject({ n: 8, cookie: { path: "/" } });
    expect(await maker.ttl()).toBeGreaterThan(23 * 3_600_000);
  });

  it("writes what it has read and changed", async () => {
    const visitor = await maker.start(
      LAZY,
      answering({
        "/change": async (req) => {
          const store = storeOf(req);
          const id = req.query["id"] as string;
          const got = await outcome<SessionData | null>((done) => store.get(id, done));
          await outcome((done) => store.set(id, { ...got, n: 2 }, done));
        },
      }),
    );
    const { id } = await visitor.get("/set?n=1");
    expect((await visitor.other().get(`/change?id=${id}`)).status).toBe(200);
    expect((await visitor.see()).data).toEqual({ n: 2 });
  });

  it("lists, counts and clears all of them", async () => {
    const visitor = await maker.start(
      LAZY,
      answering({
        "/all": (req) => outcome((done) => storeOf(req).all(done)),
        "/ids": (req) => outcome((done) => storeOf(req).ids(done)),
        "/length": (req) => outcome((done) => storeOf(req).length(done)),
        "/clear": (req) => outcome((done) => storeOf(req).clear(done)),
      }),
    );
    expect(await visitor.json("/all")).toEqual([]);
    expect(await visitor.json("/length")).toBe(0);
    const [a, b] = [visitor.other(), visitor.other()];
    const ids = [(await a.get("/set?n=1")).id!, (await b.get("/set?n=2")).id!];
    const all = (await visitor.json("/all")) as { id: string; n: string; cookie: object }[];
    expect(new Map(all.map(({ id, n }) => [id, n]))).toEqual(
      new Map([
        [ids[0], "1"],
        [ids[1], "2"],
      ]),
    );
    expect(((await visitor.json("/ids")) as string[]).toSorted()).toEqual(ids.toSorted());
    expect(await visitor.json("/length")).toBe(2);
    await visitor.get("/clear");
    expect(await visitor.json("/length")).toBe(0);
    expect((await a.see()).data).toEqual({});
  });

  it("hands on what Redis says of a key that is no session's", async () => {
    const visitor = await maker.start(LAZY);
    await visitor.get("/set?n=1");
    const [key] = await maker.keys();
    await maker.server().client.del(key!);
    await maker.server().client.lpush(key!, "no session");
    const { status, text } = await visitor.get("/see");
    // The kit drops such a key, and reports that as an event.
    if (maker.isKit) expect([status, await maker.keys()]).toEqual([200, []]);
    else expect([status, text]).toEqual([500, expect.stringContaining("WRONGTYPE")]);
  });
});
