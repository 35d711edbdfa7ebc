/** Where a bucket of S3 is. */
export interface BucketPlace {
  endpoint: string;
  bucket: string;
}

/**
 * Whether two places are one bucket, as far as addresses tell: in whichever case a host is written, with a default port or
 * without, by http or https. Two names of one server are not known to be one.
 */
export function isSameBucket(one: BucketPlace, other: BucketPlace): boolean {
  return one.bucket === other.bucket && canonical(one.endpoint) === canonical(other.endpoint);
}

/** @param endpoint an address that can be parsed */
function canonical(endpoint: string): string {
  const { protocol, hostname, port, pathname } = new URL(endpoint);
  const isDefault = port === '' || port === (protocol === 'http:' ? '443' : '80');
  const path = pathname.replaceAll(/\/+/g, '/').replace(/\/$/, '');
  return `${hostname.replace(/\.$/, '')}:${isDefault ? 'default' : port}${path}`;
}
