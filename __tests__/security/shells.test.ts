import { describe, expect, it } from "@jest/globals";
import { makeKit, serve } from "../support/kit.ts";
import { send } from "../support/raw.ts";
import { SHELLS } from "../support/shells.ts";

describe.each(SHELLS)("security() under $name", ({ isExpress, listener }) => {
  const start = (options?: Parameters<ReturnType<typeof makeKit>["security"]>[0]) =>
    serve(
      listener([makeKit({ trustProxy: "loopback" }).security(options)], (_request, response) => {
        response.end("ok");
      }),
    );
  const https = { headers: { "X-Forwarded-Proto": "https" } };

  it("sends what keeps a browser from running, framing or guessing an answer", async () => {
    const { headers } = await send(await start());
    expect(headers).toMatchObject({
      "content-security-policy":
        "default-src 'none';base-uri 'none';form-action 'self';frame-ancestors 'none'",
      "x-content-type-options": "nosniff",
      "x-frame-options": "DENY",
      "referrer-policy": "no-referrer",
      "cross-origin-opener-policy": "same-origin",
    });
    expect(headers["x-powered-by"]).toBeUndefined();
    expect(headers["strict-transport-security"]).toBeUndefined();
  });

  it("sends HSTS to a client that a trusted proxy vouches for, and to nobody else", async () => {
    const url = await start();
    const { headers } = await send(url, https);
    // Under Express, Express's own setting counts, and it trusts nobody here.
    const expected = isExpress ? undefined : expect.stringMatching(/^max-age=\d{7,}/);
    expect(headers["strict-transport-security"]).toEqual(expected);
    for (const scheme of ["http", "HTTPS", "http, https", "", "wss"]) {
      const reply = await send(url, { headers: { "X-Forwarded-Proto": scheme } });
      expect(reply.headers["strict-transport-security"]).toBeUndefined();
    }
  });

  it("takes another policy as a whole, and leaves the rest as it is", async () => {
    const directives = { "default-src": ["'self'"], "img-src": ["https:"] };
    const url = await start({ contentSecurityPolicy: { useDefaults: false, directives } });
    const { headers } = await send(url);
    expect(headers["content-security-policy"]).toBe("default-src 'self';img-src https:");
    expect(headers["x-frame-options"]).toBe("DENY");
  });

  it("is there on errors and on answers without a body", async () => {
    const url = await start();
    for (const method of ["HEAD", "OPTIONS", "DELETE"]) {
      expect((await send(url, { method })).headers["x-content-type-options"]).toBe("nosniff");
    }
  });

  it.each([{ hts: {} }, { contentSecurityPolicies: false }, { x: 1 }])(
    "refuses an unknown option at construction: %j",
    (options) => {
      expect(() => makeKit().security(options as object)).toThrow(
        expect.objectContaining({ code: "UNKNOWN_OPTION" }),
      );
    },
  );
});
