import neostandard from 'neostandard'

export default [
  ...neostandard({ ts: true, ignores: ['dist/**', 'node_modules/**', '.tap/**'] }),
  {
    rules: {
      // A promise that nobody waits for is said to be one.
      'no-void': ['error', { allowAsStatement: true }],
      // A constant and the type of its values may share a name; TypeScript itself refuses the rest.
      '@typescript-eslint/no-redeclare': 'off'
    }
  },
  {
    files: ['lib/**/*.ts', 'plugins/**/*.ts'],
    rules: { 'no-console': 'error', '@typescript-eslint/no-explicit-any': 'error' }
  }
]
