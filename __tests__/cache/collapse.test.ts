import { describe, expect, it } from "@jest/globals";
import type { CacheOptions, KitOptions } from "express-redis-kit";
import { describeBackends } from "../support/backends.ts";
import { watchCache } from "../support/cache.ts";
import { describeDeployments } from "../support/deployments.ts";
import { serveHeld } from "../support/held-app.ts";
import { makeKit } from "../support/kit.ts";
import { textOf } from "../support/raw.ts";
import { SHELLS } from "../support/shells.ts";

/** Nobody is answered by anything but the cache, however busy the machine is. */
const PATIENT: KitOptions = { deadline: "10s", connectDeadline: "10s" };
const LONG = { wait: "30s", age: "30s" } as const;

async function start(options: KitOptions, cacheOptions: CacheOptions = { collapse: LONG }) {
  const kit = makeKit({ ...PATIENT, ...options });
  await kit.ready();
  const log = watchCache(kit);
  return { kit, log, app: await serveHeld([kit.cache("page", cacheOptions)]) };
}

describeDeployments("100 concurrent misses", (options) => {
  it("run the handler once; all get its bytes, and the next one too", async () => {
    const { app, log } = await start(options());
    const replies = app.askAll(100);
    await app.arrived(100);
    await app.called(1);
    app.answer(0, "page");
    expect(new Set((await replies).map(textOf))).toEqual(new Set(["page"]));
    await log.settled(1);
    expect(textOf(await app.ask())).toBe("page");
    expect(app.calls).toHaveLength(1);
    const count = (outcome: string) => log.outcomes().filter((one) => one === outcome).length;
    expect([count("miss"), count("stored")]).toEqual([1, 1]);
    expect(count("collapsed") + count("hit")).toBe(100);
  });
});

describe.each(SHELLS)("a request that waited for another one's handler, under $name", (shell) => {
  describeBackends("collapse", (backend) => {
    it("gets status, fields and bytes, and is told", async () => {
      const kit = makeKit({ ...PATIENT, ...backend.options() });
      await kit.ready();
      const log = watchCache(kit);
      const app = await serveHeld([kit.cache("page", { collapse: LONG })], shell.listener);
      const replies = app.askAll(20);
      await app.arrived(20);
      await app.called(1);
      app.answer(0, (response) => {
        response.writeHead(203, { "Content-Type": "text/x-page", "X-Own": "1", ETag: '"e"' });
        response.write("pa");
        response.end("ge");
      });
      const statuses: string[] = [];
      for (const reply of await replies) {
        expect([reply.status, textOf(reply)]).toEqual([203, "page"]);
        expect(reply.headers).toMatchObject({
          "content-type": "text/x-page",
          "x-own": "1",
          etag: '"e"',
        });
        statuses.push(String(reply.headers["cache-status"]));
      }
      const collapsed = statuses.filter((status) => status.includes("collapsed"));
      expect(collapsed.length).toBeGreaterThan(0);
      for (const status of collapsed) {
        expect(status).toBe("express-redis-kit; fwd=miss; collapsed");
      }
      expect(log.outcomes().filter((outcome) => outcome === "collapsed")).toHaveLength(
        collapsed.length,
      );
      expect(statuses.filter((status) => !/collapsed|; hit/.test(status))).toHaveLength(1);
      expect(app.calls).toHaveLength(1);
    });
  });
});

describeBackends("collapse", (backend) => {
  it("counts what it did: one miss, the others collapsed or hits", async () => {
    const { app, kit, log } = await start(backend.options());
    const replies = app.askAll(10);
    await app.arrived(10);
    await app.called(1);
    app.answer(0, "page");
    await replies;
    await log.settled(1);
    const counts = kit.cache.counts()["page"]!;
    expect(counts).toMatchObject({ miss: 1, stored: 1 });
    expect(counts.collapsed + counts.hit).toBe(9);
  });

  it("answers a waiting conditional request with 304 where its ETag is the one", async () => {
    const { app, log } = await start(backend.options());
    const first = app.ask();
    await app.called(1);
    const second = app.ask({ headers: { "If-None-Match": '"e"' } });
    await app.arrived(2);
    app.answer(0, (response) => {
      response.setHeader("ETag", '"e"');
      response.end("page");
    });
    expect((await first).status).toBe(200);
    const reply = await second;
    expect([reply.status, textOf(reply)]).toEqual([304, ""]);
    await log.settled(1);
    expect(app.calls).toHaveLength(1);
  });

  it("a slow handler of one variant holds up no other variant", async () => {
    const { app } = await start(backend.options(), { collapse: LONG, query: ["page"] });
    const slow = app.ask({ path: "/?page=1" });
    await app.called(1);
    const others = [2, 3, 4].map((page) => app.ask({ path: `/?page=${page}` }));
    await app.called(4);
    for (const index of [1, 2, 3]) {
      app.answer(index, (response, request) => response.end(request.url));
    }
    const texts = (await Promise.all(others)).map(textOf);
    expect(texts).toEqual(["/?page=2", "/?page=3", "/?page=4"]);
    app.answer(0, "slow");
    expect(textOf(await slow)).toBe("slow");
  });

  it("never puts two scopes together", async () => {
    const { app } = await start(backend.options(), {
      collapse: LONG,
      scope: (request) => request.headers["x-tenant"] as string | undefined,
    });
    const ask = (tenant: string) => app.ask({ headers: { "X-Tenant": tenant } });
    const replies = ["a", "b", "a", "b"].map(ask);
    await app.arrived(4);
    await app.called(2);
    app.answerAll((response, request) => response.end(request.headers["x-tenant"]));
    expect((await Promise.all(replies)).map(textOf)).toEqual(["a", "b", "a", "b"]);
    expect(app.calls).toHaveLength(2);
  });

  it("false: every miss runs its handler, all at once", async () => {
    const { app } = await start(backend.options(), { collapse: false });
    const replies = app.askAll(20);
    await app.called(20);
    app.answerAll("own");
    for (const reply of await replies) {
      expect(textOf(reply)).toBe("own");
      expect(reply.headers["cache-status"]).not.toContain("collapsed");
    }
    expect(app.calls).toHaveLength(20);
  });

  it("leaves requests alone that bypass the cache", async () => {
    const { app } = await start(backend.options());
    const first = app.ask();
    await app.called(1);
    const bypassing = app.askAll(5, { headers: { Authorization: "Bearer x" } });
    await app.called(6);
    for (const index of [1, 2, 3, 4, 5]) app.answer(index, "personal");
    expect(new Set((await bypassing).map(textOf))).toEqual(new Set(["personal"]));
    app.answer(0, "page");
    expect(textOf(await first)).toBe("page");
  });
});
