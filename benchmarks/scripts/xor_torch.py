import torch

torch.manual_seed(0)
X = torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=torch.float32)
y = torch.tensor([[0], [1], [1], [0]], dtype=torch.float32)
net = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
loss = torch.nn.MSELoss()
optimizer = torch.optim.Adam(net.parameters(), lr=1e-2, fused=True)
for _ in range(2000):
    optimizer.zero_grad()
    cost = loss(net(X), y)
    cost.backward()
    optimizer.step()
print(cost.item())
