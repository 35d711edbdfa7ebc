export function schemathesis(): {
  readonly version: string;
  readonly edition: string;
  readonly platform: string;
  readonly from: { readonly python: readonly number[] };
};
