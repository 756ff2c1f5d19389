/** The devDependency alias `express4` has no types of its own; what tests use of it is typed as in 5. */
declare module "express4" {
  import express from "express";
  export default express;
}
