import { describe, expect, it } from "@jest/globals";
import type { RequestHandler } from "express";
import type { Kit } from "express-redis-kit";
import { describeBackends } from "../support/backends.ts";
import { watchCache } from "../support/cache.ts";
import { makeKit, serve } from "../support/kit.ts";
import { send, textOf } from "../support/raw.ts";
import { until } from "../support/redis-server.ts";
import { chain, EXPRESSES } from "../support/shells.ts";

/** A resource that is read through a cache and written with a purge. */
function createStore() {
  const values = new Map<string, string>();
  const read = (id: string) => values.get(id) ?? "0";
  return { values, read };
}

const isHit = (reply: { headers: Record<string, unknown> }) =>
  /; hit;/.test(String(reply.headers["cache-status"]));

describe.each(EXPRESSES)("purges under $name", ({ express }) => {
  describeBackends("cache", (backend) => {
    const start = async (kit: Kit, store = createStore()) => {
      const app = express();
      app.set("env", "test");
      const path = "/brands/:id/settings";
      const write: RequestHandler<{ id: string }> = (req, res) => {
        store.values.set(req.params.id, req.query["value"] as string);
        res.status(Number(req.query["status"] ?? 200)).json({ ok: true });
      };
      app.get(path, kit.cache("brand:settings", { scope: "public" }), (req, res) => {
        res.send(store.read(req.params.id));
      });
      app.put(path, kit.cache.purges("brand:[id]:settings"), write);
      app.post(path, kit.cache.purges("brand:settings"), write);
      app.delete(path, kit.cache.purges("brand:settings"), () => {
        throw new Error("x");
      });
      return serve(app);
    };
    /** Puts an entry for `id` in place. */
    const warm = async (kit: Kit, url: string, id: string) => {
      const log = watchCache(kit);
      await send(url, { path: `/brands/${id}/settings` });
      await log.settled(1);
      expect(isHit(await send(url, { path: `/brands/${id}/settings` }))).toBe(true);
    };

    it("drops what a params' resource holds, and says whether there was anything", async () => {
      const kit = makeKit(backend.options());
      const url = await start(kit);
      await warm(kit, url, "456");
      await warm(kit, url, "789");
      expect(await kit.cache.purge("brand:settings", { id: 456 })).toBe(true);
      expect(isHit(await send(url, { path: "/brands/456/settings" }))).toBe(false);
      expect(isHit(await send(url, { path: "/brands/789/settings" }))).toBe(true);
      expect(await kit.cache.purge("brand:[id]:settings", { id: "nobody" })).toBe(false);
    });

    it.each(["a:b", "*", "@x", "456:settings", "\uD800", "a\r\nb", "x".repeat(10_000), "é", ""])(
      "takes hostile params, and hits no other resource: %j",
      async (id) => {
        const kit = makeKit(backend.options());
        const url = await start(kit);
        await warm(kit, url, "456");
        expect(await kit.cache.purge("brand:settings", { id })).toBe(false);
        expect(isHit(await send(url, { path: "/brands/456/settings" }))).toBe(true);
        const segment = encodeURIComponent(id.toWellFormed());
        if (segment === "") return;
        await warm(kit, url, segment);
        expect(await kit.cache.purge("brand:settings", { id })).toBe(true);
        expect(isHit(await send(url, { path: `/brands/${segment}/settings` }))).toBe(false);
      },
    );

    it("by a middleware lets a client read its own write, 200 of 200, on a second kit", async () => {
      const patient = { ...backend.options(), deadline: "10s", connectDeadline: "10s" };
      const reading = makeKit(patient);
      const writing = backend.name === "redis" ? makeKit(patient) : reading;
      const store = createStore();
      const [readUrl, writeUrl] = [await start(reading, store), await start(writing, store)];
      const stale: number[] = [];
      for (let value = 1; value <= 200; value++) {
        const path = `/brands/${value % 3}/settings`;
        await send(readUrl, { path });
        const method = value % 2 === 0 ? "PUT" : "POST";
        await send(writeUrl, { path: `${path}?value=${value}`, method });
        if (textOf(await send(readUrl, { path })) !== String(value)) stale.push(value);
      }
      expect(stale).toEqual([]);
    });

    it("by a middleware spares what an error did not change", async () => {
      const kit = makeKit(backend.options());
      const url = await start(kit);
      await warm(kit, url, "1");
      const path = "/brands/1/settings";
      for (const status of [400, 403, 404, 409, 500, 503]) {
        await send(url, { path: `${path}?value=7&status=${status}`, method: "PUT" });
        expect(isHit(await send(url, { path }))).toBe(true);
      }
      await send(url, { path, method: "DELETE" });
      expect(isHit(await send(url, { path }))).toBe(true);
      for (const status of [200, 201, 202, 204, 302, 303]) {
        await until(async () => isHit(await send(url, { path })), "it is stored");
        await send(url, { path: `${path}?value=7&status=${status}`, method: "PUT" });
        expect(isHit(await send(url, { path }))).toBe(false);
      }
    });
  });
});

describeBackends("purges of variants", (backend) => {
  it("take every host, query, theme, scope and method along", async () => {
    const { express } = EXPRESSES[0]!;
    const kit = makeKit(backend.options());
    const log = watchCache(kit);
    const app = express();
    const options = {
      query: ["page"],
      vary: ["X-Theme"],
      scope: (req: { get(name: string): string | undefined }) => req.get("X-Tenant"),
    };
    app.get("/things/:id", kit.cache("thing", options), (_req, res) => void res.send("x"));
    const url = await serve(app);
    const variants = ["a.test", "b.test"].flatMap((Host) =>
      ["", "?page=2"].flatMap((query) =>
        ["dark", "light"].flatMap((theme) =>
          ["t1", "t2"].map((tenant) => ({
            path: `/things/1${query}`,
            headers: { Host, "X-Theme": theme, "X-Tenant": tenant },
          })),
        ),
      ),
    );
    for (const variant of variants) await send(url, variant);
    await log.settled(variants.length);
    for (const variant of variants) expect(isHit(await send(url, variant))).toBe(true);
    expect(await kit.cache.purge("thing", { id: 1 })).toBe(true);
    for (const variant of variants) expect(isHit(await send(url, variant))).toBe(false);
  });
});

describeBackends("a purge while a handler renders", (backend) => {
  async function slowApp(kit: Kit) {
    const waiting: ((text: string) => void)[] = [];
    const url = await serve(
      chain([kit.cache("page")], (_request, response) => {
        waiting.push((text) => response.end(text));
      }),
    );
    return { url, waiting };
  }

  it("leaves nothing stale behind", async () => {
    const kit = makeKit(backend.options());
    const log = watchCache(kit);
    const { url, waiting } = await slowApp(kit);
    const before = send(url);
    await until(() => waiting.length === 1, "the handler has read the old data");
    await kit.cache.purge("page");
    waiting[0]!("old");
    expect(textOf(await before)).toBe("old");
    await log.settled(1);
    const after = send(url);
    await until(() => waiting.length === 2, "the handler runs again");
    waiting[1]!("new");
    expect(textOf(await after)).toBe("new");
    await log.settled(2);
    expect(textOf(await send(url))).toBe("new");
  });

  it("leaves nothing stale behind where old and new render side by side", async () => {
    const kit = makeKit(backend.options());
    const log = watchCache(kit);
    const { url, waiting } = await slowApp(kit);
    const old = send(url);
    await until(() => waiting.length === 1, "the old one renders");
    await kit.cache.purge("page");
    const fresh = send(url);
    await until(() => waiting.length === 2, "the new one renders");
    waiting[1]!("new");
    await fresh;
    await log.settled(1);
    waiting[0]!("old");
    await old;
    await log.settled(2);
    const last = send(url);
    // The old response may have taken the entry's place, but it may never be served.
    void until(() => waiting.length === 3, "a third run", 2000).then(
      () => waiting[2]!("new"),
      () => {},
    );
    expect(textOf(await last)).toBe("new");
  });
});
