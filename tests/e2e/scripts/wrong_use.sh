# SPDX-License-Identifier: Apache-2.0
tidemill help compltion
tidemill completion tcsh
tidemill completion bash zsh --json
