FROM scratch
ＲＵＮ true
