import js from "@eslint/js";
import globals from "globals";

export default [
  { ignores: ["**/vendor/", "**/node_modules/", ".venv/", "build/", "dist/"] },
  js.configs.recommended,
  {
    files: ["demo/**/*.js"],
    languageOptions: { globals: globals.browser },
  },
  {
    files: ["demo/**/*.worker.js"],
    languageOptions: { globals: globals.worker },
  },
  {
    files: ["tests/front_end/*.js", "*.js"],
    languageOptions: { globals: globals.node },
  },
  {
    rules: {
      "eqeqeq": "error",
      "no-var": "error",
      "prefer-const": ["error", { destructuring: "all" }],
      "no-shadow": "error",
      "no-implicit-globals": "error",
      "no-unused-vars": "error",
      "no-use-before-define": "off",
    },
  },
];
