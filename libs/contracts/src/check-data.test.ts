import 'reflect-metadata';
import { describe, expect, it } from '@jest/globals';
import { plainToInstance, type ClassConstructor } from 'class-transformer';
import { validateSync } from 'class-validator';
import fc from 'fast-check';
import { faultIn, knownPart } from './check-data.js';
import { CLAIM_CLASSES, OperationEndedClaim } from './claims.js';
import { BackupRecorded, OperationEnded, ProjectProvisioned } from './events.js';
import { INTENT_CLASSES } from './intents.js';
import { EVENT_CLASSES } from './registry.js';
import { CLAIM_EXAMPLES, EVENT_EXAMPLES, INTENT_EXAMPLES } from './testing/examples.js';

const examples = [
  ...Object.values(pairs(EVENT_CLASSES, EVENT_EXAMPLES)).flatMap(([classes, data]) => pairs(classes, data)),
  ...pairs(CLAIM_CLASSES, CLAIM_EXAMPLES),
  ...pairs(INTENT_CLASSES, INTENT_EXAMPLES),
] as [ClassConstructor<object>, object][];

function pairs(classes: object, data: object): [object, object][] {
  return Object.entries(classes).map(([name, type]) => [type as object, (data as Record<string, object>)[name]!]);
}

describe('the check of data against a class', () => {
  it('finds no fault in what is right', () => {
    for (const [type, data] of examples) expect(faultIn(type, data)).toBeNull();
  });

  it('is never laxer than the validator that the decorators come from', () => {
    const junk = fc.oneof(fc.jsonValue(), fc.constantFrom(undefined, null, [], [[]], {}, '', 0, -1, 1e300, 1.5, 'A'));
    fc.assert(
      fc.property(fc.constantFrom(...examples), fc.nat(), junk, ([type, data], where, value) => {
        const changed = structuredClone(data);
        const places = placesIn(changed);
        const [holder, key] = places[where % places.length]!;
        (holder as Record<string, unknown>)[key] = value;
        if (faultIn(type, changed) === null) {
          const errors = validateSync(plainToInstance(type, changed), { forbidUnknownValues: true });
          expect(errors).toEqual([]);
        }
      }),
      { numRuns: 3_000 },
    );
  });

  it('says where the fault is', () => {
    const claim = CLAIM_EXAMPLES['operation-ended'];
    const fault = (changes: object) => faultIn(OperationEndedClaim, { ...claim, ...changes });
    expect(faultIn(OperationEndedClaim, [])).toBe('the data must be an object');
    expect(fault({ backup: [] })).toBe('backup must be an object');
    expect(fault({ backup: null })).toBe('backup must be an object');
    expect(fault({ generation: 2 ** 31 })).toBe('generation must not be greater than 2147483647');
    expect(fault({ backup: { ...claim.backup, counter: { ...claim.backup!.counter, n: 1.5 } } })).toBe(
      'backup.counter.n must be an integer number',
    );
    const first = Array.from({ length: 101 }, () => ({}));
    const backup = { ...claim.backup, unreadable: { total: 0, first } };
    expect(fault({ backup })).toBe('backup.unreadable.first must have 100 entries at most');
    expect(fault({ backup: { ...backup, unreadable: { total: 0, first: [{}] } } })).toMatch(
      /^backup\.unreadable\.first\.0\.path must be /,
    );
  });

  it('takes no single value for a list, and no null for what may be left out', () => {
    const provisioned = EVENT_EXAMPLES.project.provisioned;
    expect(faultIn(ProjectProvisioned, { ...provisioned, roots: 'project' })).toMatch(/^roots must be/);
    expect(faultIn(BackupRecorded, { ...EVENT_EXAMPLES.project['backup-recorded'], partialBecause: 'empty' })).toMatch(
      /^partialBecause must be/,
    );
    expect(faultIn(OperationEnded, { operationId: 'o', code: null })).toMatch(/^code must be/);
  });

  it('can leave out what the class does not know, at every depth', () => {
    const claim = CLAIM_EXAMPLES['operation-ended'];
    const extended = structuredClone(claim) as object;
    for (const [holder] of placesIn(extended)) if (!Array.isArray(holder)) Object.assign(holder, { smuggled: 'in' });
    expect(knownPart(OperationEndedClaim, extended)).toEqual(claim);
  });
});

/** Every field and entry, with what holds it. */
function placesIn(value: object): [object, string][] {
  return Object.entries(value).flatMap(([key, inner]): [object, string][] => [
    [value, key],
    ...(typeof inner === 'object' && inner !== null ? placesIn(inner as object) : []),
  ]);
}
