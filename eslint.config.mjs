import tseslint from 'typescript-eslint';

/** How a package imports another one: by its name, or by an entry that it exports; never by a path into it. */
const deepImport = {
  regex: '^@buckets/(?!(?:vault/sealing|log/open-database)$)[a-z-]+/|^(\\.\\./)+(apps|libs|stack|bench)/',
  message: 'Import another package by its name: what it exports is all there is.',
};
const appImport = {
  regex: '^@buckets/(api|backup-worker|scheduler|share-server|web)$',
  message: 'Nothing imports an app: share through a library, or speak over NATS.',
};
const s3Import = {
  regex: '^@aws-sdk/|^@smithy/',
  message: 'Only @buckets/object-storage signs S3 requests.',
};

const boundaries = (...patterns) => ({ 'no-restricted-imports': ['error', { patterns }] });

export default tseslint.config(
  { ignores: ['**/dist/', '**/node_modules/', '.data/', '.tools/', 'coverage/', '**/*.d.mts'] },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.base],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-unsafe-argument': 'error',
      '@typescript-eslint/no-unsafe-assignment': 'error',
      '@typescript-eslint/no-unsafe-return': 'error',
      '@typescript-eslint/only-throw-error': ['error', { allowRethrowing: true, allowThrowingUnknown: true }],
      '@typescript-eslint/prefer-promise-reject-errors': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      'no-empty': 'error',
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      ...boundaries(deepImport, appImport, s3Import),
    },
  },
  // Tests take real parts from the sources of the stack, as Jest does.
  { files: ['test/**/*.ts', '**/*.test.ts', '**/testing/**/*.ts'], rules: boundaries(appImport, s3Import) },
  // A benchmark measures a part of an app by itself.
  { files: ['bench/**/*.ts'], rules: boundaries(deepImport, s3Import) },
  { files: ['libs/object-storage/**/*.ts'], rules: boundaries(deepImport, appImport) },
  {
    files: ['**/*.mjs'],
    extends: [tseslint.configs.base],
    rules: {
      'no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      'no-empty': 'error',
      eqeqeq: 'error',
      'no-undef': 'off',
    },
  },
);
