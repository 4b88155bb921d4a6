// The language of filters on records, and the fields of a batch: what they mean, without a browser.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FilterError, compile } from '../../www/js/views/records/filter.js'
import { bits, headerFields, recordFields, varint } from '../../www/js/views/records/batch-fields.js'
import { asText, forms, preview } from '../../www/js/views/records/bytes.js'

const utf8 = new TextEncoder()
const row = {
  partition: 2,
  offset: 17,
  timestamp: Date.parse('2026-11-25T12:00:00Z'),
  key: utf8.encode('ann'),
  value: utf8.encode('{"drink":"latte","size":12,"hot":true,"tags":["a","b"],"at":{"shop":"7"},"none":null}'),
  headers: { trace: utf8.encode('t-1'), list: [utf8.encode('x'), utf8.encode('y')] },
}

test('filters mean what they say', () => {
  for (const [source, wanted] of /** @type {[string, boolean][]} */ ([
    ["value.drink = 'latte'", true], ['value.drink == "latte"', true], ["value.drink != 'latte'", false],
    ['value.size > 11', true], ['value.size > 12', false], ['value.size >= 12 and value.size <= 12', true],
    ["value.tags[1] = 'b'", true], ["value['drink'] contains 'att'", true], ['value.at.shop = 7', true],
    ['value.hot', true], ['not value.hot', false], ['value.hot = true', true], ['value.none = null', true],
    ['value.missing.deeper = null', true], ['value.missing exists', false], ['value.drink exists', true],
    ["key startsWith 'an' && key endsWith 'nn'", true], ["key = 'bob' || partition = 2", true],
    ['!(offset < 17)', true], ['offset != 17', false], ["header.trace = 't-1'", true], ["header['list'] = 'y'", true], ['header.nope exists', false],
    ["timestamp >= '2026-11-25T12:00:00Z' and timestamp < '2026-11-25T12:00:01Z'", true], ["timestamp < '2026-11-25T12:00:00Z'", false],
    ['size > 80 and size < 100', true], ["value contains 'latte'", true],
    // 'or' binds looser than 'and'.
    ["key = 'ann' or key = 'bob' and offset = 0", true], ["(key = 'ann' or key = 'bob') and offset = 0", false],
    // What can't be compared is neither less nor more.
    ["value.drink > 3", false], ["value.drink < 3", false], ['value.none < 3', false],
    // No property that a record's JSON does not have itself.
    ['value.constructor exists', false], ['value.__proto__ exists', false], ['header.constructor exists', false],
  ])) {
    assert.equal(compile(source)(row), wanted, source)
  }
  const nothing = { ...row, key: null, value: null, headers: {} }
  assert.equal(compile('key = null and not (value exists) and value.x = null')(nothing), true)
  assert.equal(compile("value contains 'x'")({ ...row, value: utf8.encode('no JSON, but x') }), true)
  assert.equal(compile('value.x exists')({ ...row, value: utf8.encode('{broken') }), false)
})

test('what is wrong with a filter is told with its column and what stands there', () => {
  for (const [source, code, column] of /** @type {[string, string, number][]} */ ([
    ['', 'tooShort', 1], ['drink = 1', 'noField', 1], ['offset >', 'tooShort', 9], ['offset > and', 'noOperand', 10], ['offset = 1 offset = 2', 'stray', 12],
    ["key = 'ann", 'openText', 7], ['key @ 1', 'stray', 5], ['key ann', 'noOperator', 5], ['(key = 1', 'tooShort', 9], ['value[ = 1', 'noName', 8], ['value. = 1', 'noName', 8],
    ['header = 1', 'noHeaderName', 1], ['size.x = 1', 'noPath', 1], ['3', 'tooShort', 2], [`${'('.repeat(60)}key${')'.repeat(60)}`, 'tooDeep', 51], [`${'not '.repeat(60)}key`, 'tooDeep', 201],
  ])) {
    assert.throws(() => compile(source), (error) => {
      assert.ok(error instanceof FilterError, source)
      assert.deepEqual([error.code, error.column], [code, column], source)
      return true
    })
  }
})

test('the fields of a batch cover each of its bytes once', () => {
  const batch = new Uint8Array(61)
  const view = new DataView(batch.buffer)
  view.setBigInt64(0, 1234n)
  view.setInt8(16, 2)
  view.setUint16(21, 0x31)
  const fields = headerFields(batch)
  assert.equal(fields[0].value, 1234)
  assert.deepEqual(fields.map(({ from, to }, index) => from === (fields[index - 1]?.to ?? 0) && to > from), fields.map(() => true))
  assert.equal(fields.at(-1).to, 61)
  assert.deepEqual(bits(0x31), ['gzip', 'createTime', 'transactional', 'control'])
  assert.deepEqual([varint(Uint8Array.of(1)), varint(Uint8Array.of(0x9e, 0x01)), varint(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x0f))], [-1, 79, -2147483648])
  // length 8: attributes, deltas, a null key, value "v", a header "h" of null.
  const body = Uint8Array.of(0x14, 0, 0, 0, 1, 2, 0x76, 2, 2, 0x68, 1)
  const ends = Uint32Array.of(1, 2, 3, 4, 5, 5, 6, 7, 8, 9, 10, 11, 11)
  const own = recordFields(body, ends, 0, 61, 0)
  assert.deepEqual(own.map(({ name }) => name), ['length', 'attributes', 'timestampDelta', 'offsetDelta', 'keyLength', 'valueLength', 'value', 'headerCount', 'headerNameLength', 'headerName', 'headerValueLength'])
  assert.deepEqual([own[0].from, own.at(-1).to], [61, 72])
  assert.equal(own.find(({ name }) => name === 'keyLength').value, -1)
})

test('bytes are text where they are text', () => {
  assert.deepEqual(forms(utf8.encode('{"a":1}')), ['json', 'text', 'hex'])
  assert.deepEqual(forms(utf8.encode('{"a":')), ['text', 'hex'])
  assert.deepEqual(forms(Uint8Array.of(0xff)), ['hex'])
  assert.equal(asText(Uint8Array.of(0x41, 0)), null)
  assert.equal(preview(null), null)
  // A preview that ends within a character.
  assert.match(preview(utf8.encode('하'.repeat(100))), /^하{66}…$/)
  assert.match(preview(Uint8Array.of(0, 255)), /^0x 00 ff$/)
})
