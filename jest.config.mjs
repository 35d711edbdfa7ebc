/** Unit tests stand beside the code; tests on the real parts stand in test/. */
const common = {
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '^.+\\.ts$': '@swc/jest' },
  moduleNameMapper: {
    '^@buckets/([a-z-]+)$': '<rootDir>/libs/$1/src/index.ts',
    '^@buckets/([a-z-]+)/([a-z-]+)$': '<rootDir>/libs/$1/src/$2.ts',
    '^(\\.{1,2}/.*)\\.js$': '$1',
  },
  modulePathIgnorePatterns: ['<rootDir>/\\.data', '<rootDir>/\\.tools', '/dist/'],
  testEnvironment: '<rootDir>/libs/patience/jest-environment.mjs',
};

export default {
  // Milliseconds, on an idle machine: many tests start programs.
  testTimeout: 20_000,
  projects: [
    {
      ...common,
      displayName: 'unit',
      testMatch: ['<rootDir>/{apps,libs,stack}/**/*.test.ts'],
    },
    {
      ...common,
      displayName: 'real-parts',
      testMatch: ['<rootDir>/test/**/*.test.ts'],
    },
  ],
};
