/** Rules of this house that no linter brings along. */

const PREFIX = /(^|:)(ratelimit|session|user|cache):|:sessions\b/;

/** Key strings are made in keys.ts alone: a prefix in any other literal is a key in the making. */
const keysInOneFile = {
  create(context) {
    const check = (node, text) => {
      if (PREFIX.test(text)) {
        context.report({
          node,
          message: "A Redis key's prefix outside keys.ts: add a builder there.",
        });
      }
    };
    return {
      Literal: (node) => {
        if (typeof node.value === "string") check(node, node.value);
      },
      TemplateElement: (node) => check(node, node.value.raw),
    };
  },
};

export default { meta: { name: "house" }, rules: { "keys-in-one-file": keysInOneFile } };
